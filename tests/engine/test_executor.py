"""One run: what the task gets, how each end is recorded, and what it leaves for the next run in the same thread."""

from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone, translation

from jobs import executor, lifecycle
from jobs.context import TaskContext
from jobs.errors import InvalidJob, Snooze, TaskTimeout
from jobs.models import Attempt, Job
from jobs.soft_limit import soft_limit
from tests.engine import tasks
from tests.engine.runs import execute, finished
from tests.factories import claim, ended, fresh, make_job

pytestmark = [pytest.mark.fast, pytest.mark.django_db]


def test_a_task_gets_its_arguments_and_its_result_is_kept() -> None:
    job = finished(tasks.add, 2, b=3)
    assert (job.state, job.result, job.attempt, job.failure_count) == ("succeeded", 5, 1, 0)
    attempt = job.attempts.get()
    assert (attempt.number, attempt.outcome, attempt.worker, attempt.exception_class) == (1, "success", "worker-1", "")
    assert attempt.started_at <= attempt.finished_at


def test_an_asynchronous_task_runs_on_the_loop() -> None:
    assert finished(tasks.add_async, 2, b=3).result == 5


def test_the_context_tells_the_job_and_the_attempt() -> None:
    job = finished(tasks.report, word="a quarter")
    assert job.result == {"job_id": str(job.id), "attempt": 1, "cancelled": False}


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, None, True, 1.5, "ü\u2028😀"]}, "x", -(10**30)])
def test_any_json_is_a_result(value: Any) -> None:
    assert finished(tasks.give, value).result == value


# -- how a run ends --------------------------------------------------------------------------------
def test_an_exception_is_recorded_with_the_traceback_of_the_task() -> None:
    job = finished(tasks.fail, "no luck")
    assert (job.state, job.failure_count, job.reason) == ("retrying", 1, "no luck")
    attempt = job.attempts.get()
    assert (attempt.outcome, attempt.exception_class, attempt.message) == ("error", "ValueError", "no luck")
    lines = attempt.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "tests/engine/tasks.py" in lines[1]
    assert lines[-1] == "ValueError: no luck"
    assert "executor.py" not in attempt.traceback


@pytest.mark.parametrize("code", [0, 1])
def test_leaving_the_interpreter_ends_the_task_only(code: int) -> None:
    job = finished(tasks.leave_the_interpreter, code)
    assert (job.state, job.attempts.get().exception_class) == ("dead", "SystemExit")


def test_an_exception_without_a_text_is_recorded() -> None:
    attempt = finished(tasks.fail_without_text).attempts.get()
    assert attempt.message == "<the exception's own text failed: RuntimeError>"
    assert "UnprintableError" in attempt.exception_class
    assert attempt.traceback


def test_an_exception_with_an_odd_name_is_recorded() -> None:
    run = claim(make_job())
    with executor.Recording(run):
        raise type("E", (Exception,), {"__module__": "a\x00\ud800", "__qualname__": "E"})
    lifecycle.settle([run])
    assert Attempt.objects.get().exception_class == "a\ufffd?.E"


def test_texts_of_errors_are_cleaned_and_cut(configure: Any) -> None:
    configure(MAX_TRACEBACK_BYTES=2000)
    run = claim(make_job(task="tests.engine.tasks.fail", args=["x"]))
    with executor.Recording(run):
        raise ValueError("a\x00b\ud800c" + "ü" * 9000)
    lifecycle.settle([run])
    attempt = Attempt.objects.get()
    assert attempt.message.startswith("a\ufffdb?c")
    assert "… [cut] …" in attempt.message
    assert "… [cut] …" in attempt.traceback
    assert len(attempt.message.encode()) <= 1000
    assert len(attempt.traceback.encode()) <= 2000
    assert attempt.traceback.endswith("ü\n")


@pytest.mark.parametrize(
    ("kind", "result"), [("nan", {"x": None}), ("nul", "a\ufffdb"), ("surrogate", ["?"])]
)
def test_what_json_text_cannot_hold_is_replaced_in_a_result(kind: str, result: Any) -> None:
    job = finished(tasks.give_odd, kind)
    assert (job.state, job.result) == ("succeeded", result)


def test_an_oversized_result_is_cut_and_marked() -> None:
    job = finished(tasks.give_odd, "huge")
    assert job.state == "succeeded"
    assert job.result == {"truncated": True, "bytes": 100_002, "head": '"' + "x" * 32767}


@pytest.mark.parametrize("kind", ["datetime", "object", "deep", "very deep", "circular", "long number"])
def test_a_result_that_is_not_json_is_a_permanent_error(kind: str) -> None:
    job = finished(tasks.give_odd, kind)
    assert (job.state, job.failure_count, job.result) == ("dead", 1, None)
    assert job.attempts.get().exception_class == "jobs.errors.ResultNotJSON"


def test_a_row_with_an_unknown_task_becomes_a_dead_letter(settings: Any) -> None:
    settings.QUEUEHUB = {"UNKNOWN_TASK_SECONDS": 0}
    job = make_job()
    Job.objects.filter(id=job.id).update(task="os.system", args=["true"])
    lifecycle.settle([execute(claim(job))])
    assert (fresh(job).state, "no task named 'os.system'" in fresh(job).reason) == ("dead", True)


@pytest.mark.parametrize("columns", [{"args": [1, 2, 3]}, {"kwargs": {"c": 1}}])
def test_arguments_that_no_longer_fit_are_an_error(columns: dict[str, Any]) -> None:
    job = make_job()
    Job.objects.filter(id=job.id).update(**columns)
    lifecycle.settle([execute(claim(job))])
    assert job.attempts.get().exception_class == "jobs.errors.InvalidJob"


@pytest.mark.parametrize("columns", [{"args": {"a": 1}}, {"args": 5}, {"kwargs": [1]}, {"kwargs": None}])
def test_arguments_of_the_wrong_shape_harm_only_their_job(columns: dict[str, Any]) -> None:
    job = make_job()
    if columns.get("kwargs", 0) is None:
        columns = {"kwargs": "null"}
    Job.objects.filter(id=job.id).update(**columns)
    lifecycle.settle([execute(claim(job))])
    assert fresh(job).state in {"retrying", "dead"}


def test_a_cancellation_that_nobody_asked_for_is_an_error() -> None:
    for task in (tasks.raise_cancelled, tasks.cancel_itself):
        job = finished(task)
        assert (job.state, job.failure_count) == ("retrying", 1)
        assert job.attempts.get().exception_class == "asyncio.exceptions.CancelledError"


# -- limits ----------------------------------------------------------------------------------------
def test_the_soft_limit_raises_in_the_main_thread() -> None:
    run = claim(make_job(task="tests.engine.tasks.add"))
    with executor.Recording(run), soft_limit(0.05, TaskTimeout("over")):
        spin()
    assert (run.outcome, run.message) == ("timeout", "over")


@pytest.mark.lingers
def test_a_limit_that_was_swallowed_strikes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.soft_limit.REPEAT_SECONDS", 0.05)
    with pytest.raises(TaskTimeout), soft_limit(0.05, TaskTimeout()):
        swallow_twice()


def swallow_twice() -> None:
    for _ in range(2):
        with suppress(TaskTimeout):
            spin()
    spin()


def spin() -> None:
    while True:
        pass


# -- the context -----------------------------------------------------------------------------------
def test_progress_is_the_latest_word_once() -> None:
    context = TaskContext(make_job().id, 2, lambda: True)
    assert (context.cancelled, context.attempt, context.take_progress()) == (True, 2, None)
    context.progress(1)
    context.progress(3, 4, "x" * 300)
    word = context.take_progress()
    assert word is not None
    assert (word["done"], word["total"], len(word["message"])) == (3, 4, 255)
    assert context.take_progress() is None


@pytest.mark.parametrize(
    "word", [(float("nan"),), (1, float("inf"), "a\x00"), (5, 4), (-1, 4), (1, 2, "\ud800")]
)
def test_progress_that_cannot_be_stored_is_refused(word: Any) -> None:
    with pytest.raises(InvalidJob):
        TaskContext(make_job().id, 1, lambda: False).progress(*word)


def test_progress_is_written_for_the_present_claim_only() -> None:
    job = make_job()
    run = claim(job)
    word = {"done": 1, "total": 2, "message": "", "at": 0}
    lifecycle.record_progress({job.id: (run.claim + 1, word)})
    assert fresh(job).progress is None
    lifecycle.record_progress({job.id: (run.claim, word)})
    assert fresh(job).progress == word
    lifecycle.settle([ended(run)])
    lifecycle.record_progress({job.id: (run.claim, {**word, "done": 2})})
    assert fresh(job).progress == word


# -- what a run leaves -----------------------------------------------------------------------------
def test_time_zone_and_language_end_with_the_run() -> None:
    before = [timezone.get_current_timezone_name(), translation.get_language()]
    finished(tasks.change_surroundings)
    assert finished(tasks.look_around).result == before
    assert [timezone.get_current_timezone_name(), translation.get_language()] == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("task", [tasks.leave_transaction_open, tasks.leave_autocommit_off])
def test_an_open_transaction_is_rolled_back_and_harms_nobody(task: Any) -> None:
    count = Group.objects.count()
    assert finished(task, "never committed").state == "succeeded"
    assert finished(tasks.count_groups).result == count
    assert Group.objects.count() == count


# -- decisions -------------------------------------------------------------------------------------
def test_snooze_runs_again_later_without_a_failure() -> None:
    job = finished(tasks.decide, "snooze", 45)
    assert (job.state, job.failure_count, job.attempt) == ("retrying", 0, 1)
    assert 40 < (job.due_at - timezone.now()).total_seconds() < 46
    assert job.attempts.get().outcome == "snoozed"


def test_retry_counts_a_failure_and_keeps_its_own_delay() -> None:
    job = finished(tasks.decide, "retry", 45)
    assert (job.state, job.failure_count) == ("retrying", 1)
    assert 40 < (job.due_at - timezone.now()).total_seconds() < 46
    assert finished(tasks.decide.using(max_attempts=1), "retry").state == "dead"


def test_discard_ends_the_job_as_cancelled() -> None:
    job = finished(tasks.decide, "discard")
    assert (job.state, job.reason, job.failure_count) == ("cancelled", "nothing to do", 0)
    assert job.attempts.get().outcome == "discarded"


@pytest.mark.parametrize("seconds", [-1, 400 * 86400])
def test_decisions_check_their_delay(seconds: float) -> None:
    with pytest.raises(ValueError, match="between 0 and one year"):
        Snooze(seconds)


@pytest.mark.parametrize(
    ("name", "state", "outcome"),
    [
        ("ConnectionError", "retrying", "error"),
        ("KeyError", "cancelled", "discarded"),
        ("ZeroDivisionError", "dead", "error"),
        ("Retry", "retrying", "error"),
    ],
)
def test_rules_decide_by_the_class_but_never_over_a_decision(name: str, state: str, outcome: str) -> None:
    job = finished(tasks.fail_by_rule, name)
    assert (job.state, job.attempts.get().outcome) == (state, outcome)
