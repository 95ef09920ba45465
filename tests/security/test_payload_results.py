"""Whatever a task returns, raises or reports: it is bounded, marked where it was cut, and harms no neighbour."""

import time
import tracemalloc
from typing import Any

import pytest

from jobs import lifecycle
from jobs.context import TaskContext
from jobs.definition import registry
from jobs.errors import InvalidJob
from jobs.models import Attempt
from tests.engine.conftest import transport
from tests.engine.runs import execute
from tests.factories import WORKER, fresh, make_job, make_worker
from tests.security import tasks

__all__ = ["transport"]

pytestmark = [pytest.mark.security, pytest.mark.django_db]

registry.register_module(tasks)
ADD = "tests.engine.tasks.add"
MEGABYTE = 1024 * 1024
ASYNC = ["no text", "not a text", "no name", "a wild snooze", "a wild retry", "a discard without text", "odd notes"]
DISCARDED = {"a discard without text"}


def ended_among_neighbours(task: str, kind: str) -> Any:
    """Run one hostile job between two good ones, settle all three as one batch, and return it with its attempt."""
    make_worker()
    jobs = [make_job(task=ADD), make_job(task=f"tests.security.tasks.{task}", args=[kind]), make_job(task=ADD)]
    runs = [execute(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)]
    begun = time.monotonic()
    states = lifecycle.settle(runs)
    assert time.monotonic() - begun < 10
    assert len(states) == 3
    assert (fresh(jobs[0]).state, fresh(jobs[2]).state) == ("succeeded", "succeeded")
    return fresh(jobs[1])


@pytest.mark.parametrize("kind", list(tasks.RESULTS))
def test_a_hostile_result_is_kept_harmlessly_or_refused(kind: str) -> None:
    job = ended_among_neighbours("give", kind)
    assert (job.state, job.reason == "") in {("succeeded", True), ("dead", False)}
    if job.state == "dead":
        assert job.attempts.get().exception_class == "jobs.errors.ResultNotJSON"
        assert job.result is None


def test_what_is_left_of_hostile_results() -> None:
    results = {kind: ended_among_neighbours("give", kind) for kind in ("nan", "nul", "laughs", "20 MB", "evil text")}
    assert {kind: job.state for kind, job in results.items()} == dict.fromkeys(results, "succeeded")
    assert results["nan"].result is None
    assert results["nul"].result == {"a\ufffdb": "c\ufffdd"}
    assert results["laughs"].result == {"truncated": True, "bytes": None, "head": ""}
    assert (results["20 MB"].result["truncated"], results["20 MB"].result["bytes"]) == (True, 20 * MEGABYTE + 2)
    assert len(results["20 MB"].result["head"]) == 32 * 1024
    assert results["evil text"].result == "\ufffd?"


@pytest.mark.parametrize(
    ("task", "kind"), [*(("fail", kind) for kind in tasks.ERRORS), *(("fail_async", kind) for kind in ASYNC)]
)
def test_a_hostile_exception_is_recorded_within_bounds(task: str, kind: str) -> None:
    job = ended_among_neighbours(task, kind)
    attempt = job.attempts.get()
    assert job.state == ("cancelled" if kind in DISCARDED else "retrying")
    assert attempt.outcome == ("discarded" if kind in DISCARDED else "error")
    assert len(attempt.message.encode()) <= 1000
    assert len(attempt.exception_class) <= 255
    assert len(attempt.traceback.encode()) <= 64 * 1024
    assert len(job.reason) <= 255
    if kind not in DISCARDED:
        assert attempt.exception_class
        assert attempt.traceback


@pytest.mark.parametrize(
    "kind", ["30 MB", "a chain of 10,000", "a chain of 20 MB each", "a wide group", "a deep group", "notes of 20 MB"]
)
def test_what_was_cut_says_so(kind: str) -> None:
    tracemalloc.start()
    try:
        job = ended_among_neighbours("fail", kind)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    attempt = Attempt.objects.get(job=job)
    assert "[cut" in attempt.traceback
    assert "in fail" in attempt.traceback
    assert peak_bytes < 420 * MEGABYTE
    if kind == "30 MB":
        assert attempt.message.startswith("headx")
        assert attempt.message.endswith("xtail")
        assert "[cut]" in attempt.message


def test_an_ordinary_chain_is_kept_whole() -> None:
    attempt = ended_among_neighbours("fail", "a circle").attempts.get()
    assert "ValueError: two" in attempt.traceback
    assert "direct cause" in attempt.traceback
    assert "cut" not in attempt.traceback
    recursion = ended_among_neighbours("fail", "recursion").attempts.get().traceback
    assert "Previous line repeated" in recursion
    assert "RecursionError" in recursion


@pytest.mark.parametrize("kind", list(tasks.RESULTS))
def test_a_hostile_progress_fails_its_task_only(kind: str) -> None:
    job = ended_among_neighbours("tell", kind)
    assert job.state in {"retrying", "succeeded"}
    if job.state == "retrying":
        assert job.attempts.get().exception_class in {
            "jobs.errors.InvalidJob", "jobs.errors.TooLarge", "TypeError", "KeyError"
        }  # fmt: skip


def test_progress_says_what_is_wrong(context: Any) -> None:
    with pytest.raises(InvalidJob, match="NUL"):
        context.progress(1, 2, "a\x00")
    for numbers in ((float("nan"),), ("1",), (None,), (1, float("inf")), (10**5000,), (1, [2])):
        with pytest.raises(InvalidJob):
            context.progress(*numbers)
    assert context.take_progress() is None


@pytest.fixture
def context() -> Any:
    return TaskContext(make_job().id, 1, lambda: False)
