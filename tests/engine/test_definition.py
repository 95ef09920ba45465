"""Tasks: their options, copies with other options, names and aliases, and who is found."""

import importlib
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from django.utils import timezone

from jobs import task
from jobs.conf import get_settings
from jobs.definition import JobTask, TaskRegistry, registry, resolve
from jobs.errors import InvalidJob, UnknownTask
from jobs.retry import Fixed
from jobs.upstream import TaskResultDoesNotExist
from tests.engine import tasks

pytestmark = pytest.mark.fast

TaskException = TaskResultDoesNotExist.__mro__[1]
"""What Django raises for a task that it does not allow; its subclass has two names in two versions."""


def test_a_bare_decorator_takes_the_defaults_of_the_settings(configure: Any) -> None:
    assert (tasks.add.queue_name, tasks.add.priority, tasks.add.atomic) == ("default", 0, False)
    assert (tasks.add.attempts_allowed, tasks.add.limit_seconds) == (5, 300)
    configure(MAX_ATTEMPTS=9, TIMEOUT_SECONDS=8)
    assert (tasks.add.attempts_allowed, tasks.add.limit_seconds) == (9, 8)


def test_options_of_the_decorator_stand_on_the_task() -> None:
    letter = tasks.letter
    assert (letter.queue_name, letter.priority, letter.max_attempts, letter.timeout_seconds) == ("letters", 7, 3, 11)
    assert letter.module_path == "tests.engine.tasks.letter"


def test_a_task_is_still_a_function() -> None:
    assert tasks.add.call(2, b=3) == 5


def test_a_limit_of_zero_seconds_means_none() -> None:
    assert tasks.add.using(timeout_seconds=0).limit_seconds == 0


def test_using_changes_a_copy_and_keeps_the_rest() -> None:
    expires_at = timezone.now() + timedelta(hours=1)
    copy = tasks.letter.using(
        queue_name="mail", priority=-3, unique_key="k", tags=["a", "b"], meta={"x": 1}, expires_at=expires_at,
        correlation_id="c", subject="s", tenant="t", max_attempts=2, timeout_seconds=5,
    )  # fmt: skip
    assert isinstance(copy, JobTask)
    assert (copy.queue_name, copy.priority, copy.unique_key, copy.tags) == ("mail", -3, "k", ("a", "b"))
    assert (copy.meta, copy.expires_at, copy.tenant) == ({"x": 1}, expires_at, "t")
    assert (copy.max_attempts, copy.timeout_seconds, copy.retry) == (2, 5, tasks.letter.retry)
    assert (tasks.letter.queue_name, tasks.letter.tags, tasks.letter.meta) == ("letters", (), None)


def test_using_twice_adds_up_and_none_changes_nothing() -> None:
    copy = tasks.add.using(queue_name="a", priority=4).using(queue_name="b", priority=None)
    assert (copy.queue_name, copy.priority) == ("b", 4)


@pytest.mark.parametrize("option", ["retry", "atomic", "func", "aliases", "takes_context", "delay"])
def test_using_names_an_option_that_does_not_exist(option: str) -> None:
    with pytest.raises(InvalidJob, match=f"{option}: no such option.*using\\(\\) takes .*queue_name"):
        tasks.add.using(**{option: 1})


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"queue_name": "two words"}, "queue_name"),
        ({"queue_name": ""}, "queue_name"),
        ({"queue_name": "x" * 129}, "queue_name"),
        ({"queue_name": "line\n"}, "queue_name"),
        ({"priority": 101}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"priority": True}, "priority"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"timeout_seconds": 8 * 86400}, "timeout_seconds"),
        ({"run_after": datetime(2030, 1, 1)}, "run_after"),  # noqa: DTZ001
        ({"run_after": 60}, "run_after"),
        ({"expires_at": datetime(2030, 1, 1)}, "expires_at"),  # noqa: DTZ001
    ],
)
def test_a_bad_option_is_refused_by_its_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        tasks.add.using(**options)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)


def test_an_unknown_option_of_the_decorator_is_an_error() -> None:
    with pytest.raises(TypeError, match="max_retries"):
        task(max_retries=3)(importlib.import_module)


@pytest.mark.parametrize("made", [tasks.add, tasks.letter, tasks.fail_by_rule, tasks.add.using(meta={"a": []})])
def test_tasks_and_their_copies_are_hashable(made: JobTask) -> None:
    assert hash(made) == hash(made.using())
    assert made in {made}


def test_a_task_is_frozen() -> None:
    with pytest.raises(AttributeError):
        tasks.add.max_attempts = 3  # type: ignore[misc]


def test_policies_hang_on_tasks() -> None:
    assert tasks.fail.retry == Fixed(seconds=60, jitter=False)


def test_a_nested_function_is_no_task() -> None:
    def inner() -> None: ...

    with pytest.raises(TaskException):
        task(inner)


def test_a_task_with_context_must_take_it_first() -> None:
    with pytest.raises(TaskException, match="context"):
        task(takes_context=True)(tasks.add.func)


# -- the registry ----------------------------------------------------------------------------------
def test_tasks_are_found_under_their_path_and_their_aliases() -> None:
    assert registry.get("tests.engine.tasks.add") is tasks.add
    assert registry.get("tests.engine.tasks.former_name") is tasks.present_name


def test_installed_apps_and_listed_modules_are_searched(configure: Any) -> None:
    fresh = TaskRegistry()
    fresh.autodiscover()
    assert "tests.tasks.add" in fresh  # tests is an installed app
    assert "tests.engine.tasks.add" not in fresh
    configure(TASK_MODULES=["tests.engine.tasks"])
    fresh.autodiscover()
    assert "tests.engine.tasks.add" in fresh


def test_copies_and_imported_tasks_are_not_registered() -> None:
    module = ModuleType("elsewhere")
    vars(module).update(add=tasks.add, other=tasks.add.using(queue_name="x"), plain=len)
    fresh = TaskRegistry()
    fresh.register_module(module)
    fresh.register_module(tasks)
    assert "elsewhere.add" not in fresh
    assert fresh.get("tests.engine.tasks.add") is tasks.add
    assert not any(name in fresh for name in ("tests.engine.tasks.copied", "tests.engine.tasks.old_name"))


def test_a_task_with_two_names_is_listed_once() -> None:
    fresh = TaskRegistry()
    fresh.register_module(tasks)
    assert len([item for item in fresh if item is tasks.present_name]) == 1


def test_an_unknown_name_says_what_to_do_and_imports_nothing() -> None:
    with pytest.raises(UnknownTask, match="TASK_MODULES"):
        registry.get("os.system")
    with pytest.raises(UnknownTask):
        resolve("tests.engine.tasks.copied")


def test_only_tasks_of_ours_can_be_enqueued() -> None:
    assert resolve(tasks.copied).queue_name == "copy"
    with pytest.raises(InvalidJob, match="not a task of QueueHub"):
        resolve(len)  # type: ignore[arg-type]


def test_a_task_that_was_not_found_by_the_search_is_unknown() -> None:
    with pytest.raises(UnknownTask):
        resolve(task(importlib.import_module))


def test_the_clock_of_the_settings_is_not_part_of_a_task() -> None:
    late = tasks.add.using(run_after=datetime(2030, 1, 1, tzinfo=UTC))
    assert (late.run_after, late.max_attempts) == (datetime(2030, 1, 1, tzinfo=UTC), None)
    assert get_settings().max_attempts == 5
