"""What can be done to many jobs at once, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from jobs.errors import InvalidJob
from jobs.lifecycle import operate
from jobs.lifecycle.undoing import UNDOABLE, why_not_restored
from jobs.models import Job
from jobs.names import check_moment, check_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkVerb:
    """One verb of operators on a set of jobs."""

    name: str
    label: str
    permission: str
    refuse: Callable[[Job], str]
    """Says why a job would be skipped, as far as its row tells; empty if it would not."""
    perform: Callable[..., operate.Report]
    """Takes ids, `actor`, `reason` and the options."""
    options: Mapping[str, Callable[[Any], Any]]
    """What the verb takes beside jobs: each name with what makes its value of JSON.  Raises: InvalidJob."""
    needed: frozenset[str] = frozenset()
    """Options that may not be left out."""

    @property
    def can_be_undone(self) -> bool:
        return self.name in UNDOABLE

    def read(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as `perform` takes them.

        Raises: InvalidJob for one that is unknown, missing or bad.
        """
        for name in sorted(options.keys() - self.options.keys()):
            raise InvalidJob(name, f"is no option of {self.name}.", f"It takes {', '.join(self.options) or 'none'}.")
        for name in sorted(self.needed - options.keys()):
            raise InvalidJob(name, f"is needed for {self.name}.")
        return {name: self.options[name](value) for name, value in options.items()}


def _moment(value: Any) -> datetime:
    moment = parse_datetime(value) if isinstance(value, str) else value
    check_moment("run_after", moment)
    assert isinstance(moment, datetime)  # nosec B101 # just checked
    return moment


def _queue(value: Any) -> str:
    check_queue("queue", value)
    return str(value)


def _operation_id(value: Any) -> int:
    return int(value)


BULK_VERBS: Mapping[str, BulkVerb] = {
    verb.name: verb
    for verb in (
        BulkVerb(
            name="retry", label="Retry", permission="jobs.retry_job", refuse=operate.why_not_retried,
            perform=operate.revive, options={"run_after": _moment},
        ),
        BulkVerb(
            name="cancel", label="Cancel", permission="jobs.cancel_job", refuse=operate.why_not_cancelled,
            perform=operate.cancel, options={},
        ),
        BulkVerb(
            name="discard", label="Discard", permission="jobs.discard_job", refuse=operate.why_not_discarded,
            perform=operate.discard, options={},
        ),
        BulkVerb(
            name="move", label="Move to queue", permission="jobs.edit_job", refuse=operate.why_not_moved,
            perform=operate.move, options={"queue": _queue}, needed=frozenset({"queue"}),
        ),
        BulkVerb(
            name="run_now", label="Run now", permission="jobs.retry_job", refuse=operate.why_not_run_now,
            perform=operate.run_now, options={},
        ),
        BulkVerb(
            name="clone", label="Clone", permission="jobs.edit_job", refuse=operate.why_not_cloned,
            perform=operate.clone, options={},
        ),
        BulkVerb(
            name="empty", label="Empty", permission="jobs.discard_job", refuse=operate.why_not_emptied,
            perform=operate.empty, options={},
        ),
        BulkVerb(
            name="restore", label="Undo", permission="jobs.retry_job", refuse=why_not_restored,
            perform=operate.restore, options={"operation_id": _operation_id},
        ),
    )
}  # fmt: skip
