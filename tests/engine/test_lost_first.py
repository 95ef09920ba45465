"""Jobs that were lost with their worker go out again first, however many messages stand on their queue."""

import pytest
from django.db import connection

from jobs import dispatcher, lifecycle
from jobs.lifecycle.pausing import pause_queue
from jobs.models import Job
from jobs.statements import ledger
from jobs.statements.base import LOST
from jobs.states import Outcome
from jobs.transports.memory import MemoryTransport
from tests.engine import tasks
from tests.factories import claim, ended, make_job

pytestmark = pytest.mark.django_db(transaction=True)


def lost(priority: int = 0, queue: str = "default") -> Job:
    """Return a job that waits without a message because its worker was lost."""
    run = claim(make_job(priority=priority, queue=queue))
    lifecycle.settle([ended(run, Outcome.LOST)])
    return Job.objects.get(id=run.job_id, state="queued", loss_count=1, published_at=None)


def test_lost_jobs_go_to_the_head_of_a_list_that_is_never_short(transport: MemoryTransport) -> None:
    first, urgent, second = lost(), lost(priority=-1), lost()
    transport.lose_all()
    Job.objects.enqueue_many(tasks.add, [()] * 300)
    assert dispatcher.top_up() == 3
    assert [delivery.job_id for delivery in transport.receive(["default"], 3, 0)] == [first.id, second.id, urgent.id]
    assert dispatcher.top_up() == 0


def test_those_of_a_paused_queue_wait(transport: MemoryTransport) -> None:
    job = lost(queue="still")
    lost()
    pause_queue("still", actor="test")
    assert dispatcher.top_up() == 1
    job.refresh_from_db()
    assert job.published_at is None


def test_they_are_sent_again_when_the_transport_is_back(transport: MemoryTransport) -> None:
    job = lost()
    transport.lose_all()
    refs = lifecycle.take_lost(["default"])
    assert [(job_id, seq) for job_id, seq, *_ in refs] == [(job.id, job.publish_seq + 1)]
    transport.is_down = True
    assert dispatcher.send(refs, at_front=True) == 0
    transport.is_down = False
    assert dispatcher.top_up() == 1


def test_the_look_for_them_passes_a_backlog_by() -> None:
    Job.objects.enqueue_many(tasks.add, [()] * 3000)
    Job.objects.update(published_at=None)
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        for statement in ("SELECT 1", "ANALYZE jobs_job"):
            cursor.execute(statement)
            cursor.execute(f"{explain} {LOST.format(table=ledger().lost_table)}", [1000])
            assert "jobs_job_lost" in str(cursor.fetchall())
