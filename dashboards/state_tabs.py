"""The states as tabs over the list of jobs, each with its filter and, where it is cheap, with its count."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards import figures, words
from jobs.conf import get_settings
from jobs.filters import Query, StateIn
from jobs.models import Job
from jobs.states import FINAL, JobState

ORDER = (
    JobState.QUEUED, JobState.RUNNING, JobState.SCHEDULED, JobState.RETRYING, JobState.DEAD, JobState.SUCCEEDED,
    JobState.CANCELLED,
)  # fmt: skip
SHARED_SECONDS = 5.0

_lock = threading.Lock()
_counted_at = float("-inf")
_ended: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab; `state` is empty for that of all states."""

    state: str
    label: str
    filter: str
    count: str
    is_chosen: bool


def tabs(query: Query | None, snapshot: Mapping[str, Any]) -> list[Tab]:
    """Return the tabs for a filter. They have counts if it says nothing but a state."""
    rest = "" if query is None else " ".join(query.written(term) for term in query.terms if term.field != "state")
    chosen = "" if query is None else " ".join(query.written(term) for term in query.terms if term.field == "state")
    counts = {} if rest or "totals" not in snapshot else _counts(snapshot["totals"])
    found = [Tab("", "All", rest, "", not chosen)]
    for state in ORDER:
        own = f"state:{state.value}"
        text = f"{own} {rest}".rstrip()
        found.append(Tab(state.value, state.value.capitalize(), text, counts.get(state.value, ""), chosen == own))
    return found


def forget() -> None:
    """Count anew the next time."""
    global _counted_at
    _counted_at = float("-inf")


def _counts(totals: Mapping[str, Any]) -> dict[str, str]:
    numbers = {state.value: totals[state.value] for state in ORDER if state.value in totals}
    numbers |= {"dead": totals["dead"] + totals["is_dead_capped"], **_ended_counts()}
    return {name: words.capped(number, figures.CAP) for name, number in numbers.items()}


def _ended_counts() -> dict[str, int]:
    """Count what has ended well or was cancelled, up to the cap, at most once in some seconds per process."""
    global _counted_at, _ended
    with _lock:
        if time.monotonic() - _counted_at > SHARED_SECONDS:
            _ended = {state.value: _ended_count(state) for state in (JobState.SUCCEEDED, JobState.CANCELLED)}
            _counted_at = time.monotonic()
        return _ended


def _ended_count(state: JobState) -> int:
    rows = Job.objects.using(get_settings().database).filter(StateIn(FINAL), state=state)
    # the end time and not the primary key: it stands in the index
    return rows.order_by().values("finished_at")[: figures.CAP + 1].count()
