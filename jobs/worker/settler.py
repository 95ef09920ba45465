"""The settling thread of a worker: ended runs go to the ledger in batches, and the small duties of a living worker."""

import ctypes
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from jobs import executor, lifecycle
from jobs.conf import get_settings
from jobs.errors import Interrupted, TaskTimeout, TransportUnavailable
from jobs.transports import get_transport
from jobs.worker.desk import Begun, Desk
from jobs.worker.receiver import give_back

logger = logging.getLogger("jobs.worker")

GATHER_SECONDS = 0.01
"""How long ended runs wait for company while others run."""

BATCH = 200
PROGRESS_SECONDS = 0.5
REGISTER_SECONDS = 10.0
FORCE_SECONDS = 3.0
"""How long an interrupted run may take to unwind before the process ends without it."""


class Settler:
    """Settles until `is_finished` is set and nothing is left."""

    def __init__(
        self,
        desk: Desk,
        worker_id: str,
        parent_pid: int | None,
        queues: Callable[[], Sequence[str]],
        stop: Callable[[float], None],
    ) -> None:
        self.desk, self.worker_id, self.parent_pid, self.queues, self.stop = desk, worker_id, parent_pid, queues, stop
        self.is_finished = False
        self.grace_ends_seconds: float | None = None
        """When running jobs are interrupted; None while the worker is not stopping."""
        self._interrupted: set[int] = set()
        self._next: dict[str, float] = {}

    def run(self) -> None:
        """Settle until finished. Survives every error of the ledger: runs wait until it is back."""
        while not (self.is_finished and self.desk.is_empty):
            batch = self.desk.take_ended(0.05, GATHER_SECONDS, BATCH)
            if batch:
                self._settle(batch)
            try:
                self._tick()
            except Exception:
                logger.exception("a duty of the worker failed")
                lifecycle.drop_connection()
                time.sleep(0.1)

    def _settle(self, batch: list[Begun]) -> None:
        runs = [begun.run for begun in batch if not begun.run.is_settled]
        failures = 0
        while runs:
            try:
                lifecycle.settle(runs, pid=os.getpid())
                break
            except Exception as error:
                failures += 1
                logger.warning(
                    "settling %d runs failed, trying again: %s",
                    len(runs), error, exc_info=not lifecycle.is_ledger_away(error),
                )  # fmt: skip
                lifecycle.drop_connection()
                time.sleep(min(0.05 * 2**failures, 2.0))
        self.desk.settled(batch)

    def _tick(self) -> None:
        is_stopping = self.grace_ends_seconds is not None
        hostages = self.desk.take_unstarted() if is_stopping else self.desk.take_hostages()
        if hostages:
            give_back(hostages)
        self._interrupt_overdue()
        if self._is_time("progress", PROGRESS_SECONDS):
            self._flush_progress()
        if self._is_time("parent", 1.0) and self.parent_pid is not None and os.getppid() != self.parent_pid:
            logger.warning("the pool parent is gone; ending")
            self.parent_pid = None
            self.stop(min(5.0, get_settings().shutdown_grace_seconds))
        if self._is_time("register", REGISTER_SECONDS):
            self._register()

    def _is_time(self, duty: str, every_seconds: float) -> bool:
        now = time.monotonic()
        if now < self._next.get(duty, 0.0):
            return False
        self._next[duty] = now + every_seconds
        return True

    def _flush_progress(self) -> None:
        words = {}
        for begun in self.desk.begun():
            word = begun.context.take_progress()
            if word is not None:
                words[begun.run.job_id] = (begun.run.claim, word)
        if words:
            lifecycle.record_progress(words)

    def _register(self) -> None:
        with suppress(TransportUnavailable):  # the broker's own tools show it again when the broker is back
            get_transport().register_worker(self.worker_id, self.queues(), "idle" if self.desk.is_empty else "busy")

    # -- limits --------------------------------------------------------------------------------------------------

    def _interrupt_overdue(self) -> None:
        """Interrupt what overruns its soft limit in a thread, and everything at the end of a shutdown's grace."""
        now = time.monotonic()
        is_grace_over = self.grace_ends_seconds is not None and now > self.grace_ends_seconds
        for begun in self.desk.begun():
            limit = executor.limit_seconds(begun.run)
            started = begun.run.started_seconds
            if begun.index in self._interrupted and not is_grace_over:
                continue
            if is_grace_over:
                self._interrupt(begun, Interrupted)
            elif begun.thread_id and limit and started and now > started + limit:
                self._interrupt(begun, TaskTimeout)
        if is_grace_over and self.desk.begun() and now > (self.grace_ends_seconds or now) + FORCE_SECONDS:
            logger.error("runs did not end in time; ending without them")
            self._settle(self.desk.take_ended(0.0, 0.0, BATCH))
            os._exit(1)

    def _interrupt(self, begun: Begun, kind: type[BaseException]) -> None:
        self._interrupted.add(begun.index)
        if begun.interrupt is not None:
            begun.interrupt(kind)
        elif begun.thread_id:
            # the documented way to raise in another thread; it takes effect at that thread's next bytecode
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(begun.thread_id), ctypes.py_object(kind))
