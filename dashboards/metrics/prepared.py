"""Answers that take long are prepared ahead: a scrape of a large ledger costs no more than one of a small one."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connections

logger = logging.getLogger("dashboards.metrics")

LOAD_SHARE = 0.1
"""Most of the time that the preparation takes."""
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
"""Pause between two preparations."""
WANTED_SECONDS = 150.0
"""How long it goes on after the last scrape."""

T = TypeVar("T")


class Prepared(Generic[T]):
    """Asks a question in a thread of its own; one whose answer `is_large` again and again, while scrapes come."""

    def __init__(self, question: Callable[[], T], is_large: Callable[[T], bool], timeout_seconds: float) -> None:
        self.question, self.is_large, self.timeout_seconds = question, is_large, timeout_seconds
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted_at = 0.0
        self._round = 0
        self._answer: T | None = None

    def ask(self) -> tuple[T | None, bool]:
        """Return the answer, and whether it was given just now; None if it failed or took longer than the deadline."""
        with self._changed:
            self._wanted_at = time.monotonic()
            if self._thread is None:
                self._answer = None
                self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
                self._thread.start()
            elif self._answer is not None:
                return self._answer, False
            begun = self._round
            self._changed.wait_for(lambda: self._round > begun, self.timeout_seconds)
            return (self._answer, True) if self._round > begun else (None, True)

    def _run(self) -> None:
        is_wanted = True
        while is_wanted:
            started_at = time.monotonic()
            answer = self._asked()
            spent_seconds = time.monotonic() - started_at
            with self._changed:
                self._round, self._answer = self._round + 1, answer
                is_wanted = answer is not None and self.is_large(answer)
                if not is_wanted:
                    self._thread = None
                self._changed.notify_all()
            if is_wanted:
                time.sleep(min(max(SHORTEST_SECONDS, spent_seconds / LOAD_SHARE), LONGEST_SECONDS))
                with self._changed:
                    is_wanted = time.monotonic() - self._wanted_at < WANTED_SECONDS
                    if not is_wanted:
                        self._thread = None

    def _asked(self) -> T | None:
        try:
            return self.question()
        except Exception as error:
            is_away = isinstance(error, OperationalError | InterfaceError)  # that has a metric of its own
            logger.log(logging.DEBUG if is_away else logging.WARNING, "no figures for /metrics: %s", error)
            return None
        finally:
            connections.close_all()
