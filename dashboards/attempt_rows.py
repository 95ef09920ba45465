"""A job's attempts for its page: the application's own frames first, and the way that the job has gone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

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
    """One stop on a job's way: what it was, and how long before it the former one ended."""

    label: str
    state: str
    at: datetime | None
    run_seconds: float | None = None
    """How long a run took."""
    gap_seconds: float | None = None


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


def path_of(job: Job, attempts: Sequence[Attempt]) -> list[Step]:
    """Return the way of a job from its enqueue to what it is now; `attempts` are its last ones, the youngest first."""
    steps, ended_at = [Step("created", "created", job.created_at)], job.created_at
    shown = list(reversed(attempts[:STEPS_SHOWN]))
    if shown and shown[0].number > 1:
        before = shown[0].number - 1
        steps.append(Step(f"{before} earlier {'attempt' if before == 1 else 'attempts'}", "earlier", None))
        ended_at = shown[0].started_at
    for attempt in shown:
        gap = max(0.0, (attempt.started_at - ended_at).total_seconds())
        label = f"#{attempt.number} {attempt.outcome}"
        steps.append(Step(label, attempt.outcome, attempt.started_at, attempt.duration_seconds, gap))
        ended_at = attempt.finished_at
    if job.state == JobState.SUCCEEDED and shown and shown[-1].outcome == Outcome.SUCCESS:
        return steps
    return [*steps, Step(job.state, job.state, job.claimed_at or job.finished_at)]
