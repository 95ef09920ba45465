"""One run of one job, from its claim to its settlement: the value that the executor fills and `lifecycle` judges."""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from jobs.states import Outcome
from jobs.task_log import TaskLog


@dataclass(slots=True, kw_only=True)
class Run:
    """A claimed job and what became of it.

    Moments of the run are readings of `time.monotonic()`; `clock_seconds` turns them into the database's Unix time.
    Workers on hosts whose clocks are an hour apart must agree on history, so every recorded time is the database's.
    """

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
    created_seconds: float
    """When the job was enqueued, in Unix seconds of the database."""
    due_seconds: float
    """When the job became due, in Unix seconds of the database."""
    clock_seconds: float
    """What to add to a reading of `time.monotonic()`."""
    args_text: str = "[]"
    kwargs_text: str = "{}"
    priority: int = 0

    started_seconds: float | None = None
    finished_seconds: float | None = None
    is_alone: bool = False

    outcome: Outcome | None = None
    result_text: str | None = None
    error: BaseException | None = field(default=None, repr=False)
    exception_class: str = ""
    message: str = ""
    traceback: str = ""
    frame: str = ""
    """Where it failed, see fingerprints.py; for a run without a traceback the task."""
    fingerprint: str = ""
    log: TaskLog | None = field(default=None, repr=False)
    trace: str = ""
    """The traceparent of the span of this run; before it begins, that of the enqueue. Empty without traces."""
    span: Any = field(default=None, repr=False)
    """What a tracer keeps of the run while it goes on."""
    delay_seconds: float | None = None
    """What the task asked for by Retry or Snooze."""
    is_settled: bool = False

    @property
    def args(self) -> list[Any]:
        value: list[Any] = json.loads(self.args_text) if self.args_text != "[]" else []
        return value

    @property
    def kwargs(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.kwargs_text) if self.kwargs_text != "{}" else {}
        return value

    @property
    def started_unix(self) -> float:
        """The run's start by the database's clock."""
        return (self.started_seconds or time.monotonic()) + self.clock_seconds

    @property
    def finished_unix(self) -> float:
        """The run's end by the database's clock."""
        return self.started_unix + self.run_seconds

    @property
    def run_seconds(self) -> float:
        if self.started_seconds is None or self.finished_seconds is None:
            return 0.0
        return max(0.0, self.finished_seconds - self.started_seconds)

    @property
    def wait_seconds(self) -> float:
        """Time from when the job was due to the run's start; deliberate delay is not waiting."""
        return max(0.0, self.started_unix - self.due_seconds)
