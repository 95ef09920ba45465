"""The signal `jobs_failed`, and the thread on which its receivers are called.

Receivers are code of the application and may raise, take long or hang: on a thread of their own they hold up nothing.
This module imports no models, so that settings may connect receivers.
"""

import atexit
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock, Thread
from uuid import UUID

from django.db import connections
from django.dispatch import Signal

logger = logging.getLogger("jobs.notifications")

MOST_WAITING = 10_000
"""Failures that wait for receivers; beyond that they are dropped, and the log says so."""

END_SECONDS = 2.0
"""How long the end of the process waits for receivers."""


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A failed attempt, or a job that became a dead letter without one. Texts are masked and cut, as in the ledger."""

    job_id: UUID
    task: str
    queue: str
    attempt: int
    """The number of the attempt; 0 if none was made."""
    is_dead: bool
    """Whether the job is a dead letter now; else it runs again, or an operator has seen to it."""
    tags: tuple[str, ...]
    fingerprint: str
    exception_class: str
    message: str
    frame: str
    """The innermost frame of the application, "billing/charge.py: pay", or the task."""
    traceback: str
    failed_at: datetime


jobs_failed = Signal()
"""Sent with `failures`, a tuple of `FailedJob`, after they were committed."""


class Teller:
    """Hands failures to the receivers of `jobs_failed`, in order, on a thread that lives while there are any."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._batches: deque[tuple[FailedJob, ...]] = deque()
        self._waiting_count = self._dropped_count = 0
        self._thread: Thread | None = None

    def tell(self, failures: Sequence[FailedJob]) -> None:
        """Let the receivers know of these failures; return at once."""
        with self._lock:
            if self._waiting_count + len(failures) > MOST_WAITING:
                self._dropped_count += len(failures)
                logger.error("receivers of jobs_failed are too slow: %d failures were dropped", self._dropped_count)
                return
            self._waiting_count += len(failures)
            self._batches.append(tuple(failures))
            if self._thread is None:
                self._thread = Thread(target=self._run, name="jobs_failed", daemon=True)
                self._thread.start()

    def finish(self, timeout_seconds: float = END_SECONDS) -> None:
        """Wait until the receivers know everything, but not for ever."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                _send(batch)
                with self._lock:
                    self._waiting_count -= len(batch)
        finally:
            connections.close_all()  # those of this thread, which receivers may have opened

    def _next(self) -> tuple[FailedJob, ...] | None:
        with self._lock:
            if self._batches:
                return self._batches.popleft()
            self._thread = None
            return None


def _send(batch: tuple[FailedJob, ...]) -> None:
    try:
        jobs_failed.send_robust(sender=FailedJob, failures=batch)  # it logs what a receiver raises
    except BaseException:  # SystemExit of a receiver, which send_robust lets through
        logger.exception("a receiver of jobs_failed failed")


teller = Teller()
atexit.register(teller.finish)
