"""The wording of the engine's logs: one listener to what happened to jobs."""

import logging

from jobs import events
from jobs.states import JobState, Outcome

logger = logging.getLogger("jobs")

_CALM = {Outcome.SUCCESS, Outcome.SNOOZED, Outcome.DISCARDED, Outcome.CANCELLED}


def listen() -> None:
    """Log how attempts ended: a dead letter as an error, a failure as a warning, everything else for debugging."""
    events.subscribe(events.JobsSettled, _log_settled)


def _log_settled(event: events.JobsSettled) -> None:
    for change in event.changes:
        if change.state == JobState.DEAD:
            level = logging.ERROR
        else:
            level = logging.DEBUG if change.outcome in _CALM or not change.outcome else logging.WARNING
        if logger.isEnabledFor(level):
            logger.log(
                level,
                "%s %s: attempt %d ended with %s, the job is %s",
                change.task, change.job_id, change.attempt, change.outcome or "no run", change.state,
            )  # fmt: skip
