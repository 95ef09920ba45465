"""For the tests of applications that enqueue jobs: run what is due, in this process, without a worker or a broker.

Put the transport in memory into the settings of your tests, and call `run_jobs()` where a worker would act:

    # settings of the tests
    QUEUEHUB = {"TRANSPORT": "jobs.transports.memory.MemoryTransport"}

    # in a test, with any of pytest-django's database fixtures or with django.test.TestCase
    def test_a_receipt_is_sent(db):
        place_order()
        (job,) = run_jobs()
        assert job.state == "succeeded"
"""

import os
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import Error as DatabaseError
from django.db import connections, transaction

from jobs import executor, lifecycle
from jobs.conf import get_settings
from jobs.context import TaskContext
from jobs.errors import TaskTimeout
from jobs.host import host_identity, process_started_at
from jobs.lifecycle.due import promote_due
from jobs.models import Job, Worker
from jobs.runs import Run
from jobs.soft_limit import soft_limit
from jobs.states import JobState
from jobs.transports import get_transport
from jobs.transports.memory import MemoryTransport
from jobs.worker.process import new_worker_id

NODE = "run_jobs"


def run_jobs(max_jobs: int | None = None) -> list[Job]:
    """Run every job that is due, and what those enqueue, one after another; return them as they are then, in order.

    Each job goes the real way: it is claimed from the ledger, executed under its limits and settled, so results,
    attempts, retries and dead letters are those of production. Highest priority first, then the oldest; paused queues
    and jobs for later are left alone, a retry that is due at once runs again in the same call and is listed again.
    The test's own transaction is kept, and an exception of a task ends in its job, not in the test. Hooks on the commit
    of a test that is never committed do not run, as everywhere in Django; the jobs run all the same.

    `max_jobs` is the most runs; None means until nothing is due.
    """
    worker = _enrol()
    ran: list[UUID] = []
    try:
        while max_jobs is None or len(ran) < max_jobs:
            run = _claim_next(worker.id)
            if run is None:
                break
            _execute(run)
            lifecycle.settle([run], pid=os.getpid())
            ran.append(run.job_id)
    finally:
        lifecycle.leave(worker.id)
        _forget_messages()
    found = Job.objects.in_bulk(ran)
    return [found[job_id] for job_id in ran]


def _enrol() -> Worker:
    pid = os.getpid()
    worker = Worker(
        id=new_worker_id(), pool=NODE, node=NODE, host=host_identity()[:128], pid=pid,
        pid_started_at=process_started_at(pid) or 0.0,
    )  # fmt: skip
    lifecycle.enrol(worker)
    return worker


def _claim_next(worker_id: str) -> Run | None:
    """Claim the best due job; messages are hints only, so the ledger itself is asked."""
    promote_due()
    waiting = Job.objects.filter(state=JobState.QUEUED).exclude(queue__in=lifecycle.paused_queues())
    for job_id in waiting.order_by("-priority", "id").values_list("id", flat=True):
        runs = lifecycle.claim([job_id], worker=worker_id, is_alone=True)
        if runs:
            return runs[0]
    return None


def _execute(run: Run) -> None:
    is_async = executor.is_async(run)

    def is_cancelled() -> bool:
        # A coroutine may not ask the database; and while it runs here, nobody else does anything.
        return not is_async and run.job_id in lifecycle.cancel_requests([run.worker])

    context = TaskContext(run.job_id, run.number, is_cancelled)
    if is_async:
        async_to_sync(executor.aexecute)(run, context)
    else:
        with soft_limit(executor.limit_seconds(run), TaskTimeout("timeout_seconds passed")):
            if connections[get_settings().database].in_atomic_block:
                _execute_inside(run, context)
            else:
                executor.execute(run, context)
    word = context.take_progress()
    if word is not None:
        lifecycle.record_progress({run.job_id: (run.claim, word)})


def _execute_inside(run: Run, context: TaskContext) -> None:
    """Run the task in the test's own transaction, which a database error of the task must not end."""
    alias = get_settings().database
    savepoint = transaction.savepoint(using=alias)
    executor.execute_untidily(run, context)
    if isinstance(run.error, DatabaseError):
        transaction.set_rollback(False, using=alias)
        transaction.savepoint_rollback(savepoint, using=alias)
    else:
        transaction.savepoint_commit(savepoint, using=alias)


def _forget_messages() -> None:
    transport = get_transport()
    if isinstance(transport, MemoryTransport):
        transport.lose_all()
