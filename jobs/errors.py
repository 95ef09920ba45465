"""Every exception of QueueHub.

An error that a developer or operator meets says which field is wrong and what to do. The three that a task may raise
(`Retry`, `Snooze`, `Discard`) carry a decision instead of a failure.
"""

import reprlib
from datetime import timedelta
from typing import ClassVar

MAX_DELAY_SECONDS = 366 * 86400.0


class QueueHubError(Exception):
    """Base of all QueueHub errors."""


class InvalidJob(QueueHubError, ValueError):
    """A job cannot be enqueued; `field` names the column or argument at fault. Nothing was written."""

    def __init__(self, field: str, problem: str, remedy: str = "") -> None:
        self.field, self.problem, self.remedy = field, problem, remedy
        super().__init__(f"{field}: {problem}" + (f" {remedy}" if remedy else ""))


class UnknownTask(InvalidJob):
    """No task of that name is registered."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "task",
            f"no task named {shown(name)} is registered.",
            "Decorate the function with @jobs.task in the tasks.py of an installed app,"
            ' or list its module in QUEUEHUB["TASK_MODULES"].',
        )


class TooLarge(InvalidJob):
    """Arguments, notes or a progress take more bytes as JSON than they may."""


class DuplicateJob(InvalidJob):
    """A job with this id exists already."""

    def __init__(self, job_id: object) -> None:
        super().__init__("id", f"{job_id} stands for another job already.", "Leave id out to get a fresh one.")


class FilterError(QueueHubError, ValueError):
    """A filter cannot be used. `start` and `end` say which characters are at fault."""

    def __init__(self, problem: str, remedy: str = "", *, start: int = 0, end: int = 0) -> None:
        self.problem, self.remedy, self.start, self.end = problem, remedy, start, end
        super().__init__(f"{problem} {remedy}".rstrip())


class NotPermitted(QueueHubError):
    """The user lacks the permission for this verb."""


class TransportUnavailable(QueueHubError, ConnectionError):
    """The transport cannot be reached; jobs stay in the ledger and go out when it is back."""


class PermanentError(QueueHubError):
    """Raised by a task: fail without any further attempt."""


class TaskTimeout(QueueHubError, TimeoutError):
    """The run overran timeout_seconds."""


class ResultNotJSON(PermanentError):
    """The task returned a value that is not JSON."""


class DeliveryFailed(QueueHubError):
    """A notification was not taken; it is tried again."""


class FailpointError(QueueHubError):
    """A failpoint was armed to raise; only tests see it."""


class Decision(Exception):
    """Base of what a task raises to say how its run shall be accounted."""

    outcome: ClassVar[str]


class Retry(Decision):
    """Fail this attempt and run again in `in_seconds` (None: by the task's policy)."""

    outcome = "error"

    def __init__(self, in_seconds: float | timedelta | None = None, reason: str = "") -> None:
        self.in_seconds = _seconds("in_seconds", in_seconds) if in_seconds is not None else None
        super().__init__(reason or "the task asked for a retry")


class Snooze(Decision):
    """Run again in `in_seconds`; no failure is counted."""

    outcome = "snoozed"

    def __init__(self, in_seconds: float | timedelta, reason: str = "") -> None:
        self.in_seconds = _seconds("in_seconds", in_seconds)
        super().__init__(reason or "the task asked to run later")


class Discard(Decision):
    """End the job as cancelled: there is nothing to do any more."""

    outcome = "discarded"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "discarded by the task")


class Interrupted(BaseException):
    """Raised inside a run at the end of a shutdown's grace; not an Exception, so that tasks do not swallow it."""


def _seconds(name: str, value: float | timedelta) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not 0 <= seconds <= MAX_DELAY_SECONDS:
        raise ValueError(f"{name} must lie between 0 and one year, not {shown(value)}")
    return seconds


_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 160


def shown(value: object, limit: int = 160) -> str:
    """Return the beginning of a value's repr for a message, whatever the value is."""
    try:
        return _brief.repr(value)[:limit]
    except Exception:  # a repr that raises, or a number of more digits than Python prints
        return "<a value that cannot be shown>"[:limit]
