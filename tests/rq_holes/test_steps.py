"""Between a worker's steps: killed after it took a job and before the run, or in the middle of a retry."""

import time

import pytest
import redis
from django.db import connection
from rq import Queue, Retry
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry

from jobs import statistics
from jobs.models import Attempt, AuditEntry, Job
from tests.acceptance import tasks as shared_tasks
from tests.acceptance.ledger import accepted_twice, history
from tests.factories import fresh, make_job
from tests.journal import Journal
from tests.rq_holes import plain, tasks
from tests.rq_holes.conftest import Blow, Start
from tests.rq_holes.ledger import places_of, succeeded_once
from tests.support import eventually

TWO_YEARS_SECONDS = 2 * 366 * 86400


# -- killed between preparing and starting ------------------------------------------------------------
def test_rq_forgets_a_job_whose_worker_dies_between_preparing_and_starting(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal
) -> None:
    job = queue.enqueue(plain.note, journal.path, "job")
    strike = ("rq.worker.base:BaseWorker.prepare_execution", "after", "KILL")
    assert stock("worker", "default", "mail", strike=strike).wait() == -9
    assert places_of(redis_client, job) == ["StartedJobRegistry"]
    StartedJobRegistry("default", redis_client).cleanup(time.time() + TWO_YEARS_SECONDS)
    assert (places_of(redis_client, job), job.get_status()) == ([], "queued")
    assert stock("worker", "--burst", "default", "mail").wait() == 0
    assert journal.run_count() == 0


def test_a_worker_killed_between_its_claim_and_the_run_leaves_no_mark(
    ours: Start, journal: Journal, blow: Blow
) -> None:
    for number in range(3):
        shared_tasks.note.enqueue(journal.path, f"job-{number}")
    running = ours("jobs_worker", "--processes", "1", failpoint="claim.committed=kill")
    blow.wait()
    succeeded_once(journal)
    assert set(Job.objects.values_list("loss_count", flat=True)) == {0}
    assert running.stop() == 0


# -- a retry ------------------------------------------------------------------------------------------
def test_rq_forgets_a_job_whose_worker_dies_while_it_plans_the_retry(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal
) -> None:
    job = queue.enqueue(plain.fail, journal.path, "job", retry=Retry(max=3, interval=1))
    strike = ("rq.queue:Queue.schedule_job", "before", "KILL")
    assert stock("worker", "--worker-class", "rq.SimpleWorker", "default", strike=strike).wait() == -9
    assert job.get_status() == "scheduled"
    assert ScheduledJobRegistry("default", redis_client).get_job_ids() == []
    StartedJobRegistry("default", redis_client).cleanup(time.time() + TWO_YEARS_SECONDS)
    assert (places_of(redis_client, job), job.get_status()) == ([], "scheduled")


@pytest.mark.parametrize("is_written", [False, True])
def test_a_worker_killed_while_it_writes_a_retry_has_written_all_or_nothing(
    ours: Start, journal: Journal, blow: Blow, is_written: bool
) -> None:
    job = tasks.stumble.enqueue(journal.path, "job")
    # PostgreSQL settles in one statement, so that there is no middle
    middle = "settle.recorded" if connection.vendor == "sqlite" else "settle.judged"
    failpoint = "settle.committed" if is_written else middle
    workers = ours("jobs_worker", "--processes", "1", failpoint=f"{failpoint}=kill")
    scheduler = ours("jobs_scheduler")
    eventually(lambda: fresh(job).state == "succeeded", 30)
    assert blow.has_fallen()
    outcomes = ["error", "success"] if is_written else ["cancelled", "success"]
    assert history(job.id) == outcomes
    row = Job.objects.get(id=job.id)
    assert (row.attempt, row.failure_count, row.loss_count) == (2, int(is_written), 0)
    assert len(journal.lines()) == 2
    assert accepted_twice() == 0
    assert sum(each.counts.get("error", 0) for each in statistics.totals().values()) == int(is_written)
    for running in (workers, scheduler):
        assert running.stop() == 0


# -- a retry by hand ----------------------------------------------------------------------------------
def test_rq_forgets_a_failed_job_when_its_requeue_is_killed(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal
) -> None:
    job = queue.enqueue(plain.fail, journal.path, "job")
    assert stock("worker", "--burst", "default").wait() == 0
    assert FailedJobRegistry("default", redis_client).get_job_ids() == [job.id]
    strike = ("rq.queue:Queue._enqueue_job", "before", "KILL")
    assert stock("requeue", "--queue", "default", job.id, strike=strike).wait() == -9
    assert (places_of(redis_client, job), job.get_status()) == ([], "failed")


def test_a_killed_retry_by_hand_changes_nothing(ours: Start, journal: Journal) -> None:
    job = make_job("dead", task="tests.acceptance.tasks.note", args=[journal.path, "job"])
    command = f"from jobs.lifecycle import operate; operate.revive(['{job.id}'], actor='test')"
    assert ours("shell", "--command", command, failpoint="operate.written=kill").wait() == -9
    assert fresh(job).state == "dead"
    assert fresh(job).failure_count == 1
    assert not AuditEntry.objects.exists()
    assert ours("shell", "--command", command).wait() == 0
    assert fresh(job).state == "queued"
    assert AuditEntry.objects.count() == 1
    assert Attempt.objects.filter(job=job).count() == 1
