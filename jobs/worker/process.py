"""One worker process: its threads, its start and its end.

The main thread runs synchronous tasks; a receiver feeds the desk, a settler empties it, an event loop runs
coroutines. Under `jobs_worker` the process is a child of the pool parent, which beats for it and enforces hard limits.
"""

import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import connections

from jobs import executor, lifecycle, log_context, traces
from jobs.conf import get_settings
from jobs.definition import registry
from jobs.errors import TransportUnavailable
from jobs.failpoints import reach
from jobs.host import host_identity, process_started_at
from jobs.models import Worker
from jobs.models.worker import Request
from jobs.transports import get_transport
from jobs.worker.averages import Averages
from jobs.worker.board import Board
from jobs.worker.desk import Desk
from jobs.worker.options import WorkerOptions
from jobs.worker.receiver import Receiver
from jobs.worker.settler import Settler
from jobs.worker.slots import CoroutineSlots, MainSlot, ThreadSlot

logger = logging.getLogger("jobs.worker")

RECORDS_PER_SLOT = 4
DRAIN_SIGNAL = signal.SIGUSR2
"""From the pool parent to a worker that is enrolled: receive nothing more and finish what runs."""


def board_for(options: WorkerOptions, kind: type[Board] = Board) -> Board:
    """Make a board with room for every run that can be in a slot or wait for the ledger."""
    ended = RECORDS_PER_SLOT * get_settings().prefetch_limit
    return kind(options.thread_count + options.coroutine_count + ended)


class WorkerProcess:
    """Receives, runs and settles in this process until it is told to stop."""

    def __init__(
        self, worker_id: str, pool: str, options: WorkerOptions, board: Board, parent_pid: int | None = None
    ) -> None:
        self.worker_id, self.pool, self.options, self.board = worker_id, pool, options, board
        self.averages = Averages()
        self.desk = Desk(board, options.thread_count, options.coroutine_count)
        self.receiver = Receiver(self.desk, self.averages, worker_id, options)
        self.settler = Settler(self.desk, worker_id, parent_pid, self.receiver.queues, self.stop)
        self._threads: list[threading.Thread] = []

    def run(self) -> bool:
        """Work until stopped, out of work (burst) or out of runs (max_jobs); blocks the main thread.

        Returns True in the last case: a successor should go on.
        """
        signal.signal(signal.SIGTERM, lambda number, frame: self.stop(get_settings().shutdown_grace_seconds))
        signal.signal(DRAIN_SIGNAL, lambda number, frame: self.stop(math.inf))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})  # a pool parent held them back
        log_context.carry_into_threads()
        self._enrol()
        slot = MainSlot(self.desk, self.averages, self._is_out_of_work)
        self._start("receive", self.receiver.run)
        self._start("settle", self.settler.run)
        for number in range(1, self.options.thread_count):
            self._start(f"slot-{number}", ThreadSlot(self.desk, self.averages, self._is_out_of_work).run)
        if self.options.coroutine_count and any(executor.is_async_task(task) for task in registry):
            self._start("coroutines", CoroutineSlots(self.desk, self.averages, self._is_out_of_work).run)
        else:
            self.desk.coroutine_count = 0
        slot.run()
        self._finish()
        return self._is_used_up()

    def stop(self, grace_seconds: float) -> None:
        """Receive nothing any more, give back what has not begun, and interrupt what runs after the grace.

        Only sets marks, so a signal handler may call it.
        """
        self.receiver.stop()
        ends_seconds, known_seconds = time.monotonic() + grace_seconds, self.settler.grace_ends_seconds
        # who drains can still be stopped; a grace that has begun is not prolonged
        if known_seconds is None or known_seconds == math.inf:
            self.settler.grace_ends_seconds = ends_seconds

    def obey(self, request: str) -> None:
        """Do what an operator asks of a worker that has no pool parent, see Request."""
        self.stop(math.inf if request == Request.DRAIN else get_settings().shutdown_grace_seconds)

    def _is_out_of_work(self) -> bool:
        if self._is_used_up():
            self.receiver.stop()
        return self.receiver.is_stopped and self.desk.is_empty and not self._is_receiving()

    def _is_used_up(self) -> bool:
        return 0 < self.options.max_jobs <= self.board.begun_count

    def _is_receiving(self) -> bool:
        # until this thread has ended, a batch may be on its way to the desk
        return any(thread.is_alive() for thread in self._threads if thread.name == "receive")

    def _start(self, name: str, target: Callable[[], None]) -> None:
        def run() -> None:
            try:
                target()
            finally:
                connections.close_all()

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _enrol(self) -> None:
        settings = get_settings()
        worker = Worker(
            id=self.worker_id,
            pool=self.pool,
            node=settings.node,
            host=host_identity()[:128],
            pid=os.getpid(),
            pid_started_at=process_started_at(os.getpid()) or 0.0,
            queues=list(self.options.queues),
            thread_count=self.options.thread_count,
            coroutine_count=self.options.coroutine_count,
            code_version=settings.code_version,
        )
        failures = 0
        while not self.receiver.is_stopped:
            try:
                lifecycle.enrol(worker)
                self.board.enrol()
                return
            except DatabaseError as error:
                failures += 1
                logger.warning("the ledger is away, waiting for it: %s", error)
                lifecycle.drop_connection()
                time.sleep(min(0.1 * 2**failures, 5.0))

    def _finish(self) -> None:
        self.settler.is_finished = True
        for thread in self._threads:
            thread.join(timeout=10)
        reach("worker.leaving")
        try:
            lifecycle.leave(self.worker_id)
            get_transport().unregister_worker(self.worker_id, self.receiver.queues())
        except (DatabaseError, TransportUnavailable) as error:
            logger.warning("could not sign off: %s", error)
        traces.flush()
        get_transport().close()
        connections.close_all()


def new_worker_id() -> str:
    """Return a name for a new incarnation: node, pid of its maker and a random part, never used again."""
    node = get_settings().node or socket.gethostname()
    return f"{node[:80]}.{os.getpid()}.{os.urandom(4).hex()}"
