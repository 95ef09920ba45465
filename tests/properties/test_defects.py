"""What the random lives and races of this folder have found, as the shortest life that shows it."""

from threading import Event

import pytest
from django.db import connection, transaction

from jobs import lifecycle
from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job, Statistic
from jobs.states import Outcome
from tests.engine.threads import at_once
from tests.factories import WORKER, claim, ended, make_job, make_worker
from tests.support import eventually

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("transport")]


def test_a_job_that_is_named_twice_is_operated_on_once() -> None:
    job = make_job()
    report = operate.cancel([job.id, job.id], actor="test")
    assert (report.changed, report.skipped) == ([job.id], {})
    assert AuditEntry.objects.filter(action="cancel").count() == 1
    assert [row.counts for row in Statistic.objects.exclude(queue="")] == [{"state_cancelled": 1}]


def test_a_batch_of_which_a_part_was_recorded_before_tells_both_parts() -> None:
    make_worker()
    jobs = [make_job(), make_job(), make_job()]
    runs = [ended(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)]
    lifecycle.settle(runs[:1])  # one by one, as after a refusal; then the connection broke
    lifecycle.release([runs[2].job_id], runs[2].claim)
    assert lifecycle.settle(runs) == {jobs[0].id: "succeeded", jobs[1].id: "succeeded"}


def test_two_old_runs_of_one_job_in_one_batch_are_told_apart() -> None:
    job = make_job()
    first = ended(claim(job), Outcome.CANCELLED)
    lifecycle.settle([first])
    second = claim(job)
    lifecycle.release([job.id], second.claim)
    assert lifecycle.settle([first, ended(second)]) == {job.id: "queued"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_a_deadlock_is_no_error_of_an_operator(verb: str) -> None:
    jobs = [make_job(), make_job()]
    is_locked = Event()

    # who looks for a deadlock first, once it is there, is its victim; each looks once, so long after its wait began
    def lock_backwards() -> bool:
        look_for_deadlocks_after(60)
        with transaction.atomic():
            Job.objects.select_for_update().get(id=jobs[1].id)
            is_locked.set()
            # SQLite has one writer and nothing to lock in another order: there, the verb only waits
            eventually(lambda: connection.vendor == "sqlite" or lock_wait_count() == 1)
            return Job.objects.select_for_update().filter(id=jobs[0].id).exists()

    def operate_on_both() -> bool:
        look_for_deadlocks_after(2)
        assert is_locked.wait(10)
        if verb == "pause":
            return operate.pause_queue("default", actor="test")
        return len(operate.cancel([job.id for job in jobs], actor="test").changed) == 2

    assert at_once(2, lambda number: (lock_backwards, operate_on_both)[number]()) == [True, True]


def look_for_deadlocks_after(seconds: int) -> None:
    """Let this thread's connection look for a deadlock when it has waited so long for a lock."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET deadlock_timeout = '{seconds}s'")


def lock_wait_count() -> int:
    """Count the connections to this database that wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
