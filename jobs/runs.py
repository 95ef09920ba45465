"""One run of one job, from its claim to its settlement: the value that the executor fills and `lifecycle` judges."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.clock import DatabaseClock
from jobs.states import Outcome


@dataclass(slots=True, kw_only=True)
class Run:
    """A claimed job and what became of it. Times are readings of `time.monotonic()` in seconds."""

    job_id: UUID
    task: str
    queue: str
    claim: int
    worker: str
    number: int
    """The attempt that this run becomes if it begins."""
    failure_count: int
    loss_count: int
    max_attempts: int | None
    timeout_seconds: int | None
    created_at: datetime
    due_at: datetime
    clock: DatabaseClock
    args_text: str = "[]"
    kwargs_text: str = "{}"

    started_seconds: float | None = None
    finished_seconds: float | None = None
    is_alone: bool = False

    outcome: Outcome | None = None
    result_text: str | None = None
    error: BaseException | None = field(default=None, repr=False)
    exception_class: str = ""
    message: str = ""
    traceback: str = ""
    delay_seconds: float | None = None
    """What the task asked for by Retry or Snooze."""
    is_settled: bool = False

    @property
    def args(self) -> list[Any]:
        value: list[Any] = json.loads(self.args_text)
        return value

    @property
    def kwargs(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.kwargs_text)
        return value

    @property
    def started_at(self) -> datetime:
        return self.clock.at(self.started_seconds or self.clock.monotonic_seconds)

    @property
    def finished_at(self) -> datetime:
        return self.clock.at(self.finished_seconds or self.started_seconds or self.clock.monotonic_seconds)

    @property
    def run_seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def wait_seconds(self) -> float:
        """Time from when the job was due to the run's start; deliberate delay is not waiting."""
        return max(0.0, (self.started_at - self.due_at).total_seconds())
