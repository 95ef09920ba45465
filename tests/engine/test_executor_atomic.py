"""Atomic tasks: their rows and their success commit together, or not at all."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from jobs import lifecycle
from jobs.models import Attempt
from tests.engine import tasks
from tests.engine.runs import execute, executed, finished
from tests.factories import WORKER, claim, fresh, make_job

pytestmark = pytest.mark.django_db(transaction=True)


def is_written(name: str) -> bool:
    return Group.objects.filter(name=name).exists()


def test_success_and_rows_commit_together() -> None:
    run = executed(tasks.add_group, "a")
    assert run.is_settled
    assert is_written("a")
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.job.state, attempt.job.result) == ("success", "succeeded", "a")
    assert not connection.in_atomic_block


def test_settling_it_once_more_changes_nothing() -> None:
    run = executed(tasks.add_group, "a")
    assert lifecycle.settle([run]) == {run.job_id: "succeeded"}
    assert Attempt.objects.count() == 1


def test_an_error_rolls_the_rows_back_and_counts() -> None:
    job = finished(tasks.add_group, "a", error="too bad")
    assert not is_written("a")
    assert (job.state, job.failure_count, job.attempts.get().message) == ("retrying", 1, "too bad")
    assert "executor.py" not in job.attempts.get().traceback


def test_a_stale_claim_rolls_everything_back() -> None:
    job = make_job(task="tests.engine.tasks.add_group", args=["a"])
    stale = claim(job)
    lifecycle.release([job.id], stale.claim)
    present = claim(job)
    execute(stale)
    assert not is_written("a")
    assert (stale.is_settled, Attempt.objects.count(), fresh(job).state) == (True, 0, "running")
    execute(present)
    assert is_written("a")
    assert fresh(job).state == "succeeded"


def test_a_run_that_was_declared_lost_commits_nothing() -> None:
    job = make_job(task="tests.engine.tasks.add_group", args=["a"])
    stale = claim(job)
    lifecycle.lose_worker(WORKER, remains=None)
    execute(stale)
    assert not is_written("a")
    assert (fresh(job).state, job.attempts.get().outcome) == ("queued", "lost")


def test_a_hook_that_raises_after_the_commit_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    job = finished(tasks.add_group, "a", error="hook")
    assert is_written("a")
    assert (job.state, job.attempts.count()) == ("succeeded", 1)
    assert "a hook on the commit" in caplog.text


def test_a_row_that_the_database_refuses_is_a_failure_of_the_task() -> None:
    Group.objects.create(name="a")
    job = finished(tasks.add_group, "a")
    assert (job.state, job.attempts.get().exception_class) == ("retrying", "django.db.utils.IntegrityError")
