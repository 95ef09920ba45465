"""Questions to servers that may hang: asked in a thread of their own, with a deadline."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import connections

logger = logging.getLogger("dashboards.probes")

T = TypeVar("T")


class Probe(Generic[T]):
    """Asks one question; while an answer is overdue, it is not asked again."""

    def __init__(self, question: Callable[[], T], timeout_seconds: float) -> None:
        self.question, self.timeout_seconds = question, timeout_seconds
        self._lock = threading.Lock()
        self._pending: Future[T] | None = None

    def ask(self) -> T | None:
        """Return the answer, or None if the question failed or took longer than the deadline."""
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = Future()
                thread = threading.Thread(target=self._run, args=[self._pending], name="probe", daemon=True)
                thread.start()
            pending = self._pending
        try:
            return pending.result(self.timeout_seconds)
        except TimeoutError:
            return None
        except Exception as error:
            logger.debug("probe %s: %s", self.question, error)
            return None

    def _run(self, pending: "Future[T]") -> None:
        try:
            answer = self.question()
        except Exception as error:
            connections.close_all()
            pending.set_exception(error)
        else:
            connections.close_all()
            pending.set_result(answer)
