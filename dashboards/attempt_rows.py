"""A job's attempts for its page: the application's own frames first, and the way that the job has gone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from jobs.fingerprints import application_path
from jobs.models import Attempt, Job
from jobs.states import JobState, Outcome

FRAME = re.compile(r'^[\s|+]*File "([^"\n]+)", line \d+')
START = "Traceback (most recent call last)"
STEPS_SHOWN = 6
"""Attempts in the path; of more, the number of those before."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One run of a job."""

    attempt: Attempt
    own_frames: str
    """The traceback without the frames of libraries; empty if that is nothing less."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stop on a job's way: what it was, and how long it took to get there from the one before."""

    label: str
    state: str
    at: datetime | None
    seconds: float | None = None


def attempt_rows(attempts: Iterable[Attempt]) -> list[AttemptRow]:
    """Return attempts as rows."""
    return [AttemptRow(attempt, own_frames(attempt.traceback)) for attempt in attempts]


def own_frames(traceback: str) -> str:
    """Return a traceback with the frames of the application only, of others their number.

    Empty if there is none of the application, or none of others.
    """
    kept: list[str] = []
    hidden_count = own_count = all_hidden = 0
    is_hidden = False
    for line in traceback.splitlines():
        found = FRAME.match(line)
        if found:
            is_hidden = not application_path(found[1])
            hidden_count += is_hidden
            all_hidden += is_hidden
            own_count += not is_hidden
        elif not line.startswith(("    ", " |", "  |")) or not line.strip():
            is_hidden = False
        if is_hidden:
            continue
        if hidden_count:
            kept.append(_omitted(hidden_count))
            hidden_count = 0
        kept.append(line)
    return "\n".join(kept) if own_count and all_hidden else ""


def _omitted(count: int) -> str:
    return f"  … {count} {'frame' if count == 1 else 'frames'} of libraries …"


def path_of(job: Job, attempts: Sequence[Attempt], now: datetime) -> list[Step]:
    """Return the way of a job from its enqueue to what it is now; `attempts` are its last ones, the youngest first."""
    steps = [Step("created", "created", job.created_at)]
    shown = list(reversed(attempts[:STEPS_SHOWN]))
    if shown and shown[0].number > 1:
        before = shown[0].number - 1
        steps.append(Step(f"{before} earlier {'attempt' if before == 1 else 'attempts'}", "earlier", None))
    for attempt in shown:
        steps.append(Step(f"#{attempt.number} began", "running", attempt.started_at))
        steps.append(Step(attempt.outcome, attempt.outcome, attempt.finished_at))
    if job.state == JobState.RUNNING:
        steps.append(Step("running", "running", job.claimed_at))
    elif not (job.state == JobState.SUCCEEDED and steps[-1].state == Outcome.SUCCESS):
        steps.append(Step(job.state, job.state, job.finished_at))
    timed = [steps[0]]
    for former, step in pairwise(steps):
        is_known = former.at is not None and step.at is not None
        seconds = (step.at - former.at).total_seconds() if is_known else None  # type: ignore[operator] # both are known
        timed.append(Step(step.label, step.state, step.at, None if seconds is None else max(0.0, seconds)))
    return timed
