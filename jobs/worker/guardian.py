"""What the pool parent does for a worker, done by a thread of the worker itself where it has no pool parent.

It beats, passes cancel requests on and ends the process once others have given it up. A thread cannot act
while C code holds the interpreter, so the hard limit is a timer of the kernel, armed when a run begins.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connections

from jobs import hard_limit, lifecycle
from jobs.conf import get_settings
from jobs.worker.board import Board
from jobs.worker.vitals import memory_bytes, runs_text

logger = logging.getLogger("jobs.worker")

TICK_SECONDS = 0.2
CANCEL_SECONDS = 1.0


class TimedBoard(Board):
    """A board whose earliest hard deadline is armed in the kernel: passing it kills this process."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self._limit = hard_limit.HardLimit() if hard_limit.is_supported else None
        self._deadlines: dict[int, float] = {}
        self._armed_seconds = 0.0

    def begin(self, job_id: UUID, limit_seconds: float, grace_seconds: float) -> int:
        index = super().begin(job_id, limit_seconds, grace_seconds)
        if limit_seconds:
            self._deadlines[index] = time.monotonic() + limit_seconds + grace_seconds
            self._arm()
        return index

    def end(self, index: int) -> None:
        if self._deadlines.pop(index, None) is not None:
            self._arm()
        super().end(index)

    def close(self) -> None:
        if self._limit is not None:
            self._limit.close()
        super().close()

    def _arm(self) -> None:
        earliest = min(self._deadlines.copy().values(), default=0.0)
        if self._limit is not None and earliest != self._armed_seconds:
            self._limit.arm(earliest)
            self._armed_seconds = earliest


class Guardian(threading.Thread):
    """Beats for one worker of this process from `start()` to `stop()`."""

    def __init__(self, worker_id: str, board: Board, obey: Callable[[str], None] = lambda request: None) -> None:
        super().__init__(name="guardian", daemon=True)
        self.worker_id, self.board, self.obey = worker_id, board, obey
        self._stopping = threading.Event()
        self._beaten_seconds = time.monotonic()
        self._asked_seconds = 0.0

    def stop(self) -> None:
        """End the thread; blocks until it has ended."""
        self._stopping.set()
        self.join(timeout=10)

    def run(self) -> None:
        """Beat until stopped. Survives every error: a worker that does not beat is given up and never works again."""
        is_well = True
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self._tick()
                is_well = True
            except Exception as error:
                is_away = isinstance(error, DatabaseError)
                if is_well:
                    words = "the ledger is away: %s" if is_away else "a duty of the worker failed: %s"
                    logger.warning(words, error, exc_info=not is_away)
                is_well = False
                lifecycle.drop_connection()
        connections.close_all()

    def _tick(self) -> None:
        now = time.monotonic()
        if self.board.is_enrolled and now - self._beaten_seconds >= get_settings().heartbeat_seconds:
            self._beaten_seconds = now
            beat = (self.worker_id, runs_text(self.board), memory_bytes(os.getpid()))
            request = lifecycle.heartbeat([beat]).get(self.worker_id)
            if request:
                self.obey(request)
            elif request is None and not self._stopping.is_set():
                logger.error("worker %s was given up by others while it was silent; ending", self.worker_id)
                os._exit(1)
        if now - self._asked_seconds >= CANCEL_SECONDS and any(self.board.entries()):
            self._asked_seconds = now
            for job_id in lifecycle.cancel_requests([self.worker_id]):
                self.board.cancel(job_id)
