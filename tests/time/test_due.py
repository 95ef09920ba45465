"""Time moves jobs on: due ones are queued, expired ones cancelled, old ones deleted."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from jobs.lifecycle.due import expire, promote_due
from jobs.lifecycle.retention import delete_old
from jobs.models import Attempt, Job, Statistic
from jobs.states import JobState
from tests.conftest import LiveDatabase
from tests.time.conftest import ago

AddJob = Callable[..., Job]


def states() -> dict[str, int]:
    counts: dict[str, int] = {}
    for state in Job.objects.values_list("state", flat=True):
        counts[state] = counts.get(state, 0) + 1
    return counts


def test_delayed_jobs_become_queued_when_they_are_due(add_job: AddJob) -> None:
    due = [add_job("scheduled", due_at=ago(1)), add_job("retrying", due_at=ago(1), failure_count=1)]
    later = [add_job("scheduled", due_at=ago(-60)), add_job("retrying", due_at=ago(-60))]
    assert promote_due() == 2
    assert set(Job.objects.queued()) == set(due)
    assert set(Job.objects.filter(state__in=["scheduled", "retrying"])) == set(later)
    assert not Job.objects.filter(published_at__isnull=False).exists()
    assert promote_due() == 0


def test_no_other_state_is_promoted(add_job: AddJob) -> None:
    for state in set(JobState) - {JobState.SCHEDULED, JobState.RETRYING}:
        add_job(state, due_at=ago(60))
    before = states()
    assert promote_due() == 0
    assert states() == before


def test_the_longest_due_are_promoted_first(add_job: AddJob) -> None:
    jobs = [add_job("scheduled", due_at=ago(seconds)) for seconds in (10, 30, 20)]
    assert promote_due(limit=2) == 2
    assert set(Job.objects.queued()) == {jobs[1], jobs[2]}


def test_two_promoters_share_the_work(live_database: LiveDatabase, add_job: AddJob) -> None:
    for _ in range(60):
        add_job("scheduled", due_at=ago(1))
    barrier, counts = Barrier(3), []

    def promote() -> None:
        barrier.wait()
        try:
            while count := promote_due(limit=7):
                counts.append(count)
        finally:
            connections.close_all()

    threads = [Thread(target=promote) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert promote_due() == 60 - sum(counts)
    assert states() == {"queued": 60}


def test_a_job_that_another_transaction_holds_delays_nobody(live_database: LiveDatabase, add_job: AddJob) -> None:
    if not connections["default"].features.has_select_for_update:
        return  # SQLite locks the file, not the row
    held, free = add_job("scheduled", due_at=ago(2)), add_job("scheduled", due_at=ago(1))
    with transaction.atomic():
        Job.objects.select_for_update().get(id=held.id)
        thread = Thread(target=lambda: (promote_due(), connections.close_all()))
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
    assert list(Job.objects.queued()) == [free]


@pytest.mark.parametrize("state", ["scheduled", "queued", "retrying", "blocked"])
def test_a_job_that_waits_past_its_time_expires(add_job: AddJob, state: str) -> None:
    job = add_job(state, expires_at=ago(1), published_at=timezone.now() if state == "queued" else None)
    kept = [add_job(state, expires_at=ago(-60)), add_job(state)]
    assert expire() == 1
    job.refresh_from_db()
    assert (job.state, job.reason, job.published_at) == ("cancelled", "expired", None)
    assert job.finished_at is not None
    assert set(Job.objects.unfinished()) == set(kept)


def test_a_job_that_runs_or_has_ended_does_not_expire(add_job: AddJob) -> None:
    for state in ("running", "succeeded", "dead", "cancelled"):
        add_job(state, expires_at=ago(60))
    assert expire() == 0


def test_expired_jobs_are_counted(add_job: AddJob) -> None:
    for _ in range(3):
        add_job("queued", queue="mail", expires_at=ago(1))
    expire()
    row = Statistic.objects.get()
    assert (row.queue, row.counts, row.minute_at.second) == ("mail", {"state_cancelled": 3}, 0)


def attempt_of(job: Job, number: int = 1) -> Attempt:
    now = timezone.now()
    return Attempt.objects.create(
        job=job,
        number=number,
        outcome="success",
        claim=1,
        worker="w",
        queue="q",
        started_at=now,
        finished_at=now,
    )


@pytest.fixture
def keep(settings: Any) -> Any:
    def keep(**seconds: int) -> None:
        keys = {f"RETENTION_{state.upper()}_SECONDS": value for state, value in seconds.items()}
        settings.QUEUEHUB = {**settings.QUEUEHUB, **keys}

    return keep


def test_each_final_state_has_its_own_retention(add_job: AddJob, keep: Any) -> None:
    keep(succeeded=60, cancelled=600, dead=0)
    for state in ("succeeded", "cancelled", "dead"):
        add_job(state, finished_at=ago(300))
        add_job(state, finished_at=ago(30))
    assert delete_old() == 1
    assert states() == {"succeeded": 1, "cancelled": 2, "dead": 2}
    keep(succeeded=0, cancelled=60, dead=60)
    assert delete_old() == 2
    assert states() == {"succeeded": 1, "cancelled": 1, "dead": 1}


def test_attempts_go_with_their_job_and_no_others(add_job: AddJob, keep: Any) -> None:
    keep(succeeded=60)
    old, young = add_job("succeeded", finished_at=ago(300)), add_job("succeeded", finished_at=ago(1))
    for job in (old, young):
        attempt_of(job, 1)
        attempt_of(job, 2)
    delete_old()
    assert set(Attempt.objects.values_list("job_id", flat=True)) == {young.id}


def test_unfinished_jobs_are_never_deleted(add_job: AddJob, keep: Any) -> None:
    keep(succeeded=1, cancelled=1, dead=1)
    for state in ("scheduled", "queued", "running", "retrying", "blocked"):
        add_job(state, created_at=ago(10**7), due_at=ago(10**7))
    assert delete_old() == 0


def test_a_batch_is_small_and_its_statements_few(
    add_job: AddJob, keep: Any, django_assert_max_num_queries: Any
) -> None:
    keep(succeeded=60, cancelled=0, dead=0)
    for _ in range(25):
        attempt_of(add_job("succeeded", finished_at=ago(300)))
    with django_assert_max_num_queries(6):  # with its savepoint and bounds
        assert delete_old(limit=10) == 10
    assert (delete_old(limit=10), delete_old(limit=10), delete_old(limit=10)) == (10, 5, 0)
