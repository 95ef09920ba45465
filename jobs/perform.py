"""What a stock RQ worker calls for a ledger job: one whole worker's life for one job.

The path `jobs.perform.perform` and its argument stand in messages and are frozen for ever. The message is a
hint here as well: the job runs if its row can be claimed, and what becomes of it is written to the ledger.
"""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import django
from django.apps import apps

if not apps.ready:  # a stock RQ worker imports this module before anything of the project
    django.setup()

from jobs import executor, lifecycle, log_context, traces
from jobs.conf import get_settings
from jobs.context import TaskContext
from jobs.errors import TaskTimeout
from jobs.host import host_identity, process_started_at
from jobs.models import Worker
from jobs.runs import Run
from jobs.soft_limit import soft_limit
from jobs.worker.board import Board
from jobs.worker.guardian import Guardian, TimedBoard
from jobs.worker.process import new_worker_id

logger = logging.getLogger("jobs.worker")


def perform(job_id: str) -> None:
    """Run the job if it is still to be run; nothing that its task does is raised here."""
    key = UUID(job_id)
    log_context.carry_into_threads()
    with _worker() as (worker_id, board):
        for run in lifecycle.claim([key], worker=worker_id, is_alone=True):
            run.is_alone = True
            _execute(run, board)
            _settle(run)
    traces.flush()


@contextmanager
def _worker() -> Iterator[tuple[str, Board]]:
    """Be a worker incarnation of the ledger, with heartbeats, for the length of the block."""
    worker_id, board = new_worker_id(), TimedBoard(1)
    lifecycle.enrol(
        Worker(
            id=worker_id,
            pool="rq worker",
            node=get_settings().node,
            host=host_identity()[:128],
            pid=os.getpid(),
            pid_started_at=process_started_at(os.getpid()) or 0.0,
        )
    )
    board.enrol()
    guardian = Guardian(worker_id, board)
    guardian.start()
    try:
        yield worker_id, board
    finally:
        guardian.stop()
        lifecycle.leave(worker_id)
        board.close()


def _execute(run: Run, board: Board) -> None:
    limit_seconds = executor.limit_seconds(run)
    index = board.begin(run.job_id, limit_seconds, get_settings().hard_timeout_grace_seconds)
    context = TaskContext(run.job_id, run.number, lambda: board.is_cancelled(index))
    try:
        if executor.is_async(run):
            asyncio.run(executor.aexecute(run, context))
        else:
            with soft_limit(limit_seconds, TaskTimeout("timeout_seconds passed")):
                executor.execute(run, context)
    except TaskTimeout as error:  # it struck between the end of the run and the end of its limit
        with executor.Recording(run):
            raise error
    board.end(index)


def _settle(run: Run) -> None:
    """Write the run's end to the ledger, waiting for it if it is away."""
    failure_count = 0
    while not run.is_settled:
        try:
            lifecycle.settle([run], pid=os.getpid())
        except Exception as error:
            if not lifecycle.is_ledger_away(error):
                raise
            failure_count += 1
            logger.warning("the ledger is away, trying again: %s", error)
            lifecycle.drop_connection()
            time.sleep(min(0.05 * 2**failure_count, 2.0))
