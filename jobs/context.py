"""What a task with `takes_context=True` gets as its first argument."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from jobs.errors import InvalidJob, shown
from jobs.strict_json import plain
from jobs.task_log import TaskLog

MOST_BYTES = 4096


class TaskContext:
    """The run from the task's side: who it is, how far it is, whether it should stop."""

    __slots__ = ("_is_cancelled", "_job_id", "_log", "_progress", "attempt")

    def __init__(self, job_id: UUID, attempt: int, is_cancelled: Callable[[], bool]) -> None:
        self._job_id, self._is_cancelled = job_id, is_cancelled
        self._progress: dict[str, Any] | None = None
        self._log: TaskLog | None = None
        self.attempt = attempt
        """The number of this attempt, from 1."""

    @property
    def job_id(self) -> str:
        return str(self._job_id)

    @property
    def cancelled(self) -> bool:
        """True once somebody asked for the job's cancellation; return soon, the result counts if you do."""
        return self._is_cancelled()

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far the task is. Cheap: the worker writes the latest word about twice a second.

        Raises: InvalidJob for numbers that are not finite or text that is not storable.
        """
        said = {"done": done, "total": total, "message": message[:255], "at": time.time()}
        word = plain("progress", said, MOST_BYTES)
        done, total = word["done"], word["total"]
        if not isinstance(done, int | float) or not isinstance(total, int | float | None):
            raise InvalidJob("done, total", f"{shown((done, total))} are not numbers.", "Pass numbers.")
        if total is not None and not 0 <= done <= total:
            raise InvalidJob("done", f"{done} does not lie between 0 and {total}.", "Count up to the total.")
        self._progress = word

    def log(self, text: object) -> None:
        """Keep a line with this attempt: at most 64 KiB of them, with secrets masked; shown on the job's page."""
        self.open_log().write(str(text))

    def open_log(self) -> TaskLog:
        """Return what the task has logged and will log; for the executor."""
        if self._log is None:
            self._log = TaskLog()
        return self._log

    def take_progress(self) -> dict[str, Any] | None:
        """Return the latest word and forget it; for the worker."""
        word, self._progress = self._progress, None
        return word
