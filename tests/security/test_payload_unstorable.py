"""Ends of runs that the ledger refuses whatever is tried: their jobs end, and their neighbours are unharmed."""

import math
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from jobs import lifecycle
from jobs.models import Attempt, Job, Statistic
from jobs.runs import Run
from jobs.states import Outcome
from tests.engine import tasks
from tests.engine.conftest import transport
from tests.engine.runs import execute
from tests.factories import WORKER, claim, ended, fresh, make_job, make_worker

pytestmark = [pytest.mark.security, pytest.mark.django_db]

__all__ = ["transport"]

UNRECORDED = "the end of its run could not be recorded"


def taken_number(run: Run) -> None:
    """Let somebody have written the attempt that this run becomes."""
    Attempt.objects.create(
        job_id=run.job_id, number=run.number, outcome="success", claim=1, worker="forger", queue="default",
        started_at="2026-01-01T00:00:00Z", finished_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def endless_wait(run: Run) -> None:
    """Let the row have said that it was due at minus infinity, as PostgreSQL allows."""
    run.due_seconds = -math.inf


def wild_delay(run: Run) -> None:
    """Let the task have asked for a delay that is no number."""
    run.outcome, run.delay_seconds = Outcome.SNOOZED, math.nan


HOSTILE = [taken_number, endless_wait, wild_delay]


@pytest.mark.parametrize("spoil", HOSTILE)
def test_the_job_ends_and_its_neighbours_succeed(spoil: Callable[[Run], None]) -> None:
    make_worker()
    jobs = [make_job() for _ in range(5)]
    runs = [ended(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)]
    spoil(runs[2])
    states = lifecycle.settle(runs)
    assert [states[job.id] for job in jobs] == ["succeeded", "succeeded", "dead", "succeeded", "succeeded"]
    assert all(run.is_settled for run in runs)
    row = fresh(jobs[2])
    assert (row.state, row.reason, row.claim, row.result) == ("dead", row.reason, None, None)
    assert row.reason == (UNRECORDED if spoil is not wild_delay else "the retry policy itself failed")
    assert row.finished_at is not None
    counted = [row.counts for row in Statistic.objects.all()]
    assert sum(counts.get("state_dead", 0) for counts in counted) == 1
    assert sum(counts.get("state_succeeded", 0) for counts in counted) == 4
    assert Attempt.objects.exclude(worker="forger").count() == (4 if spoil is not wild_delay else 5)


@pytest.mark.parametrize("spoil", [taken_number, endless_wait])
def test_an_unrecordable_failure_or_loss_ends_too(spoil: Callable[[Run], None]) -> None:
    for outcome in (Outcome.ERROR, Outcome.LOST, Outcome.CANCELLED):
        job = make_job()
        run = ended(claim(job), outcome)
        spoil(run)
        assert lifecycle.settle([run]) == {job.id: "dead"}


def test_what_a_lost_worker_leaves_is_rescued_though_one_row_cannot_be() -> None:
    make_worker("doomed")
    jobs = [make_job() for _ in range(3)]
    runs = lifecycle.claim([job.id for job in jobs], worker="doomed")
    taken_number(runs[1])
    assert lifecycle.lose_worker("doomed") == 3
    assert [fresh(job).state for job in jobs] == ["queued", "dead", "queued"]


def test_a_claim_that_is_gone_is_left_alone_even_then() -> None:
    job = make_job()
    run = ended(claim(job))
    taken_number(run)
    run.claim += 1
    assert lifecycle.settle([run]) == {}
    assert fresh(job).state == "running"


@pytest.mark.django_db(transaction=True)
def test_an_atomic_task_whose_success_cannot_be_recorded_leaves_no_effect() -> None:
    job = Job.objects.enqueue(tasks.add_group, "must not stay")
    run = claim(job)
    taken_number(run)
    execute(run)
    assert (run.outcome, run.is_settled) == (Outcome.ERROR, False)
    assert lifecycle.settle([run]) == {job.id: "dead"}
    assert not Group.objects.filter(name="must not stay").exists()


def test_a_row_edited_to_the_edge_of_its_columns_ends() -> None:
    for column in ("attempt", "loss_count", "failure_count"):
        job = make_job()
        Job.objects.filter(id=job.id).update(**{column: 2**31 - 1})
        run = ended(claim(job), Outcome.LOST if column == "loss_count" else Outcome.ERROR)
        states = lifecycle.settle([run])
        assert states[job.id] in {"dead", "retrying"}
        if connection.vendor == "postgresql" and column == "attempt":  # SQLite's columns have no such edge
            assert fresh(job).reason == UNRECORDED


def test_a_row_that_is_due_at_no_time_ends() -> None:
    job = make_job()
    with connection.cursor() as cursor:  # SQLite takes any text for a time
        cursor.execute("UPDATE jobs_job SET due_at = '-infinity' WHERE task = %s", [job.task])
    assert lifecycle.settle([ended(claim(job))]) == {job.id: "dead"}
