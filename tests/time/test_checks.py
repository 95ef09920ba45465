"""The system checks: each mistake has its message, and a server that is away is a warning."""

from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections

from jobs.checks import check_servers, check_settings
from tests.time.conftest import TICK


def found() -> set[str]:
    """Return the ids of what jobs/checks/ reports now; from 020 on they are about RQ's settings."""
    ids = {str(message.id) for message in checks.run_checks(tags=["queuehub"])}
    return {name for name in ids if name.startswith(("queuehub.E00", "queuehub.W00"))}


@pytest.fixture
def configure(settings: Any) -> Any:
    def configure(**keys: Any) -> set[str]:
        settings.QUEUEHUB = {**settings.QUEUEHUB, **keys}
        return found()

    return configure


@pytest.mark.django_db
def test_the_projects_own_settings_are_sound() -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"WINDOW_MESSAGE": 5}, "queuehub.E001"),
        ({"MAX_ATTEMPTS": "five"}, "queuehub.E001"),
        ({"HEARTBEAT_SECONDS": -1}, "queuehub.E001"),
        ({"LOST_AFTER_SECONDS": 4}, "queuehub.E001"),
        ({"LOST_AFTER_SECONDS": 7.9, "HEARTBEAT_SECONDS": 1}, "queuehub.E001"),
        ({"PREFETCH_LIMIT": 5000}, "queuehub.E001"),
        ({"SCHEDULES": ["x"]}, "queuehub.E002"),
        ({"TASK_MODULES": "shop.tasks"}, "queuehub.E002"),
        ({"NODE": "no blanks"}, "queuehub.E002"),
        ({"DATABASE": "nowhere"}, "queuehub.E004"),
        ({"TRANSPORT": "no.such.Transport"}, "queuehub.E006"),
        ({"TRANSPORT": "jobs.models.Job"}, "queuehub.E006"),
        ({"PLAIN_RQ_FUNCTIONS": ["shop.tasks.*"]}, "queuehub.E007"),
        ({"PLAIN_RQ_FUNCTIONS": ["print"]}, "queuehub.E007"),
        ({"PLAIN_RQ_FUNCTIONS": ["tests.time.test_checks.TICK"]}, "queuehub.E007"),
        ({"PLAIN_RQ_FUNCTIONS": ["no.such.function"]}, "queuehub.W006"),
        ({"SCHEDULES": {"s": {"task": TICK}}}, "queuehub.E008"),
        ({"SCHEDULES": {"s": {"task": "no.such.task", "every_seconds": 5}}}, "queuehub.E008"),
        ({"SCHEDULER_LEASE_SECONDS": 60}, "queuehub.W001"),
        ({"SCHEDULER_LEASE_SECONDS": 1}, "queuehub.W001"),
        ({"REPUBLISH_AFTER_SECONDS": 0.1}, "queuehub.W002"),
    ],
)
def test_each_mistake_has_its_message(configure: Any, keys: dict[str, Any], expected: str) -> None:
    assert expected in configure(**keys)


def test_all_unknown_keys_are_named_at_once(settings: Any) -> None:
    settings.QUEUEHUB = {"FIRST_TYPO": 1, "SECOND_TYPO": 2}
    (message,) = check_settings()
    assert "FIRST_TYPO" in message.msg
    assert "SECOND_TYPO" in message.msg


@pytest.mark.parametrize("value", [None, [], "x", {1: 2}])
def test_a_setting_of_a_wrong_form_is_a_message(settings: Any, value: Any) -> None:
    settings.QUEUEHUB = value
    assert [message.id for message in check_settings()] == ["queuehub.E001"]


def test_an_allowed_plain_function_is_no_mistake(configure: Any) -> None:
    assert configure(PLAIN_RQ_FUNCTIONS=["tests.time.test_checks.found"]) == set()


@pytest.mark.parametrize("backend", ["", "no.such.Backend", "jobs.models.Job"])
def test_a_default_of_tasks_that_is_not_ours_is_explained(settings: Any, backend: str) -> None:
    settings.TASKS = {"default": {"BACKEND": backend}} if backend else {}
    assert "queuehub.W005" in found()


def test_sqlite_that_begins_as_a_reader_is_a_warning(settings: Any) -> None:
    if connections["default"].vendor != "sqlite":
        return
    options = connections["default"].settings_dict["OPTIONS"]
    mode = options.pop("transaction_mode")
    try:
        assert "queuehub.W003" in found()
    finally:
        options["transaction_mode"] = mode


@pytest.mark.django_db
def test_servers_are_asked_only_on_request(configure: Any) -> None:
    configure(TRANSPORT="jobs.transports.rq.RQTransport")
    assert check_servers(databases=None) == []
    assert "queuehub.W008" not in found()


@pytest.mark.django_db
def test_a_transport_that_is_away_is_a_warning(memory_transport: Any) -> None:
    def warned() -> list[checks.CheckMessage]:  # the tests' own PostgreSQL runs without fsync
        return [message for message in check_servers(databases=["default"]) if message.id != "queuehub.W012"]

    assert warned() == []
    memory_transport.is_down = True
    (message,) = warned()
    assert (message.id, message.level) == ("queuehub.W008", checks.WARNING)


@pytest.mark.django_db
def test_the_command_fails_on_a_mistake(settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "MAX_ATTEMPTS": 0}
    with pytest.raises(SystemCheckError, match="MAX_ATTEMPTS"):
        call_command("check")
