"""What single steps of the engine say to the ledger and to Redis, each within its bound."""

import logging

import pytest
from django.db import connection, transaction

from jobs import dispatcher, lifecycle
from jobs.lifecycle import operate
from jobs.lifecycle.due import promote_due
from jobs.models import Job
from jobs.states import Outcome
from tests import tasks
from tests.factories import WORKER, ended, make_worker
from tests.speed.bounds import check
from tests.speed.by_hand import WorkerByHand
from tests.speed.conftest import Meter

MANY = 1000
TASK = "tests.tasks.add"


def insert_rows(count: int, priority: int) -> None:
    """Insert jobs as a program without Django does: they have no message yet."""
    rows = [(TASK, "[1]", priority)] * count
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO jobs_job (task, args, priority) VALUES (%s, %s, %s)", rows)


def ended_runs(count: int, **ends: object) -> None:
    """Enqueue, claim and settle jobs, all with this end."""
    jobs = Job.objects.enqueue_many(TASK, [(1,)] * count)
    make_worker()
    runs = lifecycle.claim([job.id for job in jobs], worker=WORKER)
    lifecycle.settle([ended(run, **ends) for run in runs])


def test_one_enqueue(meter: Meter) -> None:
    with meter() as cost:
        Job.objects.enqueue(tasks.add, 1)
    check("one enqueue", cost)


def test_twenty_enqueues_in_one_transaction(meter: Meter) -> None:
    with meter() as cost, transaction.atomic():
        for number in range(20):
            Job.objects.enqueue(tasks.add, number)
    check("twenty enqueues in one transaction", cost)


def test_a_bulk_enqueue(meter: Meter) -> None:
    with meter() as cost:
        Job.objects.enqueue_many(tasks.add, [(number,) for number in range(MANY)])
    check("a bulk enqueue of 1,000", cost)


def test_a_drain(meter: Meter) -> None:
    Job.objects.enqueue_many(tasks.add, [(number,) for number in range(MANY)])
    make_worker()
    worker = WorkerByHand(tasks.add)
    with meter() as cost:
        worker.drain(MANY)
    assert Job.objects.succeeded().count() == MANY
    check("a drain of 1,000", cost)


def test_a_drain_of_failing_jobs(meter: Meter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="jobs")
    Job.objects.enqueue_many(tasks.fail, [()] * MANY)
    make_worker()
    worker = WorkerByHand(tasks.fail)
    with meter() as cost:
        worker.drain(MANY)
    assert Job.objects.dead().count() == MANY
    check("a drain of 1,000 that fail", cost)


def test_a_drain_of_rows_without_messages(meter: Meter) -> None:
    insert_rows(MANY, priority=0)
    make_worker()
    worker = WorkerByHand(tasks.add)
    with meter() as cost:
        worker.drain(MANY)
    assert Job.objects.succeeded().count() == MANY
    check("a drain of 1,000 rows without messages", cost)


def test_filling_the_window(meter: Meter) -> None:
    insert_rows(MANY, priority=1)
    with meter() as cost:
        assert dispatcher.top_up() == MANY
    check("a top-up of 1,000", cost)


def test_promoting_retries_that_came_due(meter: Meter) -> None:
    ended_runs(MANY, outcome=Outcome.SNOOZED, delay_seconds=0.0)
    assert Job.objects.retrying().count() == MANY
    with meter() as cost:
        assert promote_due(MANY) == MANY
    check("1,000 that came due", cost)


def test_an_operators_retry(meter: Meter) -> None:
    ended_runs(MANY, outcome=Outcome.ERROR, max_attempts=1)
    assert Job.objects.dead().count() == MANY
    with meter() as cost:
        assert len(operate.revive(Job.objects.dead(), actor="test").changed) == MANY
    check("a retry of 1,000 by an operator", cost)


@pytest.mark.parametrize("worker_count", [1, 16])
def test_a_heartbeat(meter: Meter, worker_count: int) -> None:
    names = [make_worker(f"worker-{number}").id for number in range(worker_count)]
    with meter() as cost:
        assert set(lifecycle.heartbeat([(name, "[]", 1) for name in names])) == set(names)
    check("a heartbeat of a pool", cost)
