"""The states of a job and the moves between them, as data.

Nothing here acts: `lifecycle` is the only writer of `Job.state`, and it moves a job only along `TRANSITIONS`.
The database repeats the invariants as constraints (see `models/job.py`).
"""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands; the comment says who moves it on."""

    SCHEDULED = "scheduled"  # the first run is due in the future: the scheduler, when it is due
    BLOCKED = "blocked"  # reserved: waits for other jobs or for a slot
    QUEUED = "queued"  # due; on the transport if and only if published_at is set: a worker's claim
    RUNNING = "running"  # claimed by a living worker: that worker, or the reconciler when it is lost
    RETRYING = "retrying"  # an attempt failed or was lost, the next is due at due_at: the scheduler
    SUCCEEDED = "succeeded"  # final: retention deletes it
    DEAD = "dead"  # final until an operator retries or discards it: the dead-letter set
    CANCELLED = "cancelled"  # final: cancelled, discarded or expired; an operator can undo it


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCESS = "success"  # the task returned
    ERROR = "error"  # the task raised, or its arguments or task no longer resolve
    TIMEOUT = "timeout"  # the task overran timeout_seconds
    LOST = "lost"  # the worker vanished in mid-run
    CANCELLED = "cancelled"  # ended by a cancel request or by the worker's shutdown
    SNOOZED = "snoozed"  # the task asked to run again later; no failure
    DISCARDED = "discarded"  # the task said that it need not run


S = JobState

FINAL = frozenset({S.SUCCEEDED, S.DEAD, S.CANCELLED})
UNFINISHED = frozenset(JobState) - FINAL
WAITING = frozenset({S.SCHEDULED, S.BLOCKED, S.QUEUED, S.RETRYING})

# Each move with the reason for it. What is not here is illegal.
TRANSITIONS: dict[JobState, dict[JobState, str]] = {
    S.SCHEDULED: {S.QUEUED: "due", S.CANCELLED: "cancelled or expired", S.DEAD: "its task cannot be resolved"},
    S.BLOCKED: {S.QUEUED: "unblocked", S.CANCELLED: "cancelled or expired"},
    S.QUEUED: {S.RUNNING: "claimed", S.CANCELLED: "cancelled or expired", S.DEAD: "its task cannot be resolved"},
    S.RUNNING: {
        S.SUCCEEDED: "returned",
        S.RETRYING: "failed, snoozed or lost, with a delay",
        S.QUEUED: "released, interrupted by a shutdown, or lost without a delay",
        S.DEAD: "attempts exhausted, permanent error or poison",
        S.CANCELLED: "cancelled while it ran, or discarded by the task",
    },
    S.RETRYING: {S.QUEUED: "due", S.CANCELLED: "cancelled or expired", S.DEAD: "its task cannot be resolved"},
    S.SUCCEEDED: {},
    S.DEAD: {S.QUEUED: "retried by an operator", S.SCHEDULED: "retried later", S.CANCELLED: "discarded"},
    S.CANCELLED: {S.QUEUED: "undone by an operator", S.SCHEDULED: "undone, due later", S.DEAD: "discard undone"},
}


def is_legal(source: JobState | str, target: JobState | str) -> bool:
    """Tell whether a job may move from `source` to `target`."""
    return JobState(target) in TRANSITIONS[JobState(source)]


def sources_of(target: JobState | str) -> frozenset[JobState]:
    """Return every state from which a job may move to `target`."""
    return frozenset(source for source, moves in TRANSITIONS.items() if JobState(target) in moves)
