"""RQ's worker class for `manage.py rqworker` and `rqworker-pool`: RQ's commands around our own loop.

RQ's dequeue, maintenance, scheduler and epilogue are not used: they lose jobs in known windows, stop at the
first damaged hash and unpickle what they find. Serializer, job class and queue class are ignored as well.
"""

import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterable
from typing import Any

from django.db import connections
from rq import Worker
from rq.serializers import JSONSerializer

from jobs.conf import get_settings
from jobs.transports import get_transport
from jobs.transports.rq_messages import HIGH
from jobs.worker.guardian import Guardian, TimedBoard
from jobs.worker.options import WorkerOptions
from jobs.worker.process import WorkerProcess, board_for, new_worker_id

logger = logging.getLogger("jobs.worker")

IDLE_CHECK_SECONDS = 0.2


class QueueHubWorker(Worker):
    """Runs ledger jobs, and allowed plain RQ jobs, in this process."""

    def __init__(self, queues: Any, name: str | None = None, connection: Any = None, **ignored: Any) -> None:
        # without `prepare_for_work`, RQ asks Redis for this connection's address: it may be away now
        super().__init__(
            queues, name, connection=connection, prepare_for_work=False, serializer=JSONSerializer
        )

    def work(
        self, burst: bool = False, *args: Any, max_jobs: int | None = None, max_idle_time: int | None = None,
        **ignored: Any,
    ) -> bool:  # fmt: skip
        """Run jobs until stopped, or done (burst, max_jobs, max_idle_time); tell whether any ran."""
        options = WorkerOptions(
            queues=tuple(served(self.queue_names())), is_burst=burst, max_jobs=max_jobs or 0
        )
        connections.close_all()
        get_transport().close()
        worker_id, board = new_worker_id(), board_for(options, TimedBoard)
        pool_process = multiprocessing.parent_process()
        process = WorkerProcess(
            worker_id, worker_id, options, board, pool_process.pid if pool_process is not None else None
        )
        # Ctrl-C, and what rqworker-pool sends its workers
        signal.signal(signal.SIGINT, lambda *_: process.stop(get_settings().shutdown_grace_seconds))
        guardian = Guardian(worker_id, board, process.obey)
        guardian.start()
        if max_idle_time is not None:
            threading.Thread(target=_stop_when_idle, args=(process, max_idle_time), daemon=True).start()
        try:
            process.run()
        finally:
            guardian.stop()
        return board.begun_count > 0


def served(rq_queues: Iterable[str]) -> list[str]:
    """Return the queues behind RQ queues: the upper band of a queue is no queue of its own."""
    names = list(rq_queues)
    return [name for name in names if not (name.endswith(HIGH) and name.removesuffix(HIGH) in names)]


def _stop_when_idle(process: WorkerProcess, seconds: float) -> None:
    busy_seconds, begun_count = time.monotonic(), 0
    while time.monotonic() - busy_seconds < seconds:
        time.sleep(IDLE_CHECK_SECONDS)
        if not process.desk.is_empty or process.board.begun_count != begun_count:
            busy_seconds, begun_count = time.monotonic(), process.board.begun_count
    logger.info("idle for %s s; ending", seconds)
    process.stop(get_settings().shutdown_grace_seconds)
