"""The settling thread of a worker: ended runs go to the ledger in batches, and the small duties of a living worker."""

import ctypes
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID
from weakref import WeakSet

from jobs import lifecycle
from jobs.conf import get_settings
from jobs.errors import Interrupted, TaskTimeout, TransportUnavailable
from jobs.failpoints import reach
from jobs.transports import get_transport
from jobs.worker.desk import Begun, Desk
from jobs.worker.receiver import give_back

logger = logging.getLogger("jobs.worker")

GATHER_SECONDS = 0.01
"""How long ended runs wait for company while others run."""

BATCH = 500
"""Most runs that are settled at once."""

IDLE_SECONDS, BUSY_SECONDS = 0.25, 0.05
"""How often the small duties are looked at while nothing ends."""

PROGRESS_SECONDS = 0.5
REGISTER_SECONDS = 10.0
AUDIT_SECONDS = 10.0
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
        self._is_stop_announced = False
        self._interrupted: WeakSet[Begun] = WeakSet()
        self._ended_by_grace: WeakSet[Begun] = WeakSet()
        self._batch: list[Begun] = []
        self._failure_count = 0
        self._retry_seconds = 0.0
        self._unknown: set[tuple[UUID, int]] = set()
        self._next: dict[str, float] = {}

    def run(self) -> None:
        """Settle until finished. Survives every error of the ledger: runs wait until it is back."""
        while not (self.is_finished and self.desk.is_empty):
            if not self._batch:
                wait_seconds = IDLE_SECONDS if self.desk.is_empty else BUSY_SECONDS
                self._batch = self.desk.take_ended(wait_seconds, GATHER_SECONDS, BATCH)
            elif time.monotonic() < self._retry_seconds:
                time.sleep(0.05)
            if self._batch and time.monotonic() >= self._retry_seconds:
                self._settle()
            try:
                self._tick()
            except Exception as error:
                is_away = lifecycle.is_ledger_away(error)
                logger.warning("a duty of the worker failed: %s", error, exc_info=not is_away)
                lifecycle.drop_connection()
                time.sleep(0.1)

    def _settle(self) -> None:
        reach("settle.taken")
        try:
            lifecycle.settle([begun.run for begun in self._batch if not begun.run.is_settled], pid=os.getpid())
        except Exception as error:
            self._failure_count += 1
            self._retry_seconds = time.monotonic() + min(0.05 * 2**self._failure_count, 2.0)
            logger.warning(
                "settling %d runs failed, trying again: %s",
                len(self._batch), error, exc_info=not lifecycle.is_ledger_away(error),
            )  # fmt: skip
            lifecycle.drop_connection()
            return
        reach("settle.committed")
        self.desk.settled(self._batch)
        reach("settle.noted")
        self._batch, self._failure_count, self._retry_seconds = [], 0, 0.0

    def _tick(self) -> None:
        self._interrupt_overdue()
        if self._is_time("parent", 1.0) and self.parent_pid is not None and os.getppid() != self.parent_pid:
            logger.warning("the pool parent is gone; ending")
            self.parent_pid = None
            self.stop(min(5.0, get_settings().shutdown_grace_seconds))
        is_stopping = self.grace_ends_seconds is not None
        hostages = self.desk.take_unstarted() if is_stopping else self.desk.take_hostages()
        if hostages:
            give_back(hostages)
        if is_stopping and not self._is_stop_announced:
            lifecycle.announce_stop(self.worker_id)
            self._is_stop_announced = True
        if self._is_time("progress", PROGRESS_SECONDS):
            self._flush_progress()
        if self.queues() and self._is_time("register", REGISTER_SECONDS):
            self._register()
        if self._is_time("audit", AUDIT_SECONDS):
            self._audit()

    def _audit(self) -> None:
        """Release claims that the ledger has and this worker does not know: replies that were lost on the way."""
        known = self.desk.known_ids()
        unknown = {(i, claim) for i, claim in lifecycle.claims_of(self.worker_id).items() if i not in known}
        for job_id, claim in unknown & self._unknown:  # twice in a row: it is not on its way to the desk either
            logger.warning("job %s was claimed without our knowing; it goes back", job_id)
            lifecycle.release([job_id], claim)
        self._unknown = unknown

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
        if self.grace_ends_seconds is not None and now > self.grace_ends_seconds:
            self._end_grace(now - self.grace_ends_seconds)
            return
        for begun in self.desk.begun():
            limit, started = begun.limit_seconds, begun.run.started_seconds
            is_in_thread = begun.thread_id and begun.interrupt is None  # others have their own timers
            if is_in_thread and limit and started and now > started + limit and begun not in self._interrupted:
                self._interrupt(begun, TaskTimeout)

    def _end_grace(self, over_seconds: float) -> None:
        for begun in self.desk.begun():
            if begun not in self._ended_by_grace:
                self._ended_by_grace.add(begun)
                self._interrupt(begun, Interrupted)
        if over_seconds > FORCE_SECONDS and not self.desk.is_empty:
            # a run that does not unwind, or a ledger that is away: the parent or the reconciler takes over
            logger.error("%d runs did not end in time; ending without them", len(self.desk.known_ids()))
            os._exit(1)

    def _interrupt(self, begun: Begun, kind: type[BaseException]) -> None:
        self._interrupted.add(begun)
        if begun.interrupt is not None:
            begun.interrupt(kind)
        elif begun.thread_id:
            # the documented way to raise in another thread; it takes effect at that thread's next bytecode
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(begun.thread_id), ctypes.py_object(kind))
