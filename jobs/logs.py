"""The engine's events in the log: one vocabulary of names, each with its level and its fields.

An event is a record of the logger `jobs.` and the first word of its name, has the name as `event` and its fields as
further attributes. Jobs are told of batch by batch: while nobody wants to read of them, a batch costs one question.
"""

import logging
from typing import NamedTuple

from jobs import events
from jobs.models.worker import WorkerState
from jobs.runs import Run
from jobs.states import JobState, Outcome

logger = logging.getLogger("jobs.job")

tells_starts = False
"""Whether runs are told of as they begin; asked anew with each batch that is claimed, not with each run."""


class Event(NamedTuple):
    """One word of the vocabulary."""

    level: int
    fields: tuple[str, ...]
    meaning: str


_JOB = ("job", "task", "queue")
_RUN = (*_JOB, "attempt", "worker")
_END = (*_RUN, "outcome", "duration_seconds")

EVENTS = {
    "job.enqueued": Event(logging.DEBUG, _JOB, "its transaction has committed"),
    "job.started": Event(logging.DEBUG, (*_RUN, "wait_seconds"), "its task is about to be called"),
    "job.succeeded": Event(logging.DEBUG, _END, "its task returned"),
    "job.snoozed": Event(logging.DEBUG, _END, "its task asked to run later; not a failure"),
    "job.interrupted": Event(logging.DEBUG, _END, "a shutdown, or the end of its worker, cut it short; it runs again"),
    "job.cancelled": Event(logging.DEBUG, _END, "cancelled, discarded or expired, before or after a run"),
    "job.retrying": Event(logging.WARNING, _END, "an attempt failed, another one follows"),
    "job.lost": Event(logging.WARNING, _END, "its worker vanished in mid-run; it runs again"),
    "job.dead": Event(logging.ERROR, _END, "it has become a dead letter"),
    "operator.acted": Event(logging.INFO, ("action", "actor", "job_count"), "somebody changed jobs by a verb"),
    "queue.paused": Event(logging.INFO, ("queue",), "no worker claims from the queue any more"),
    "queue.resumed": Event(logging.INFO, ("queue",), "workers claim from it again"),
    "worker.started": Event(logging.INFO, ("worker",), "it is in the ledger and receives"),
    "worker.stopping": Event(logging.INFO, ("worker",), "it, or its pool, was asked to end"),
    "worker.stopped": Event(logging.INFO, ("worker",), "it has ended in good order"),
    "worker.crashed": Event(logging.ERROR, ("worker", "reason"), "it ended at its start, before any run"),
    "worker.lost": Event(logging.ERROR, ("worker", "reason", "job_count"), "it died or fell silent"),
    "scheduler.leader": Event(logging.INFO, ("scheduler",), "it leads from now on"),
    "scheduler.follower": Event(logging.INFO, ("scheduler",), "it does not lead any more"),
    "broker.away": Event(logging.WARNING, ("reason",), "a worker asks the ledger instead"),
    "broker.back": Event(logging.INFO, (), "a worker receives messages again"),
}

_WORKERS = {
    WorkerState.ACTIVE: ("worker.started", "worker %s has started"),
    WorkerState.STOPPING: ("worker.stopping", "worker %s is to end"),
    WorkerState.STOPPED: ("worker.stopped", "worker %s has ended"),
}


def tell(event: str, message: str, *args: object, **fields: object) -> None:
    """Log one event with the fields that the table names."""
    level = EVENTS[event].level
    log = logging.getLogger(f"jobs.{event.partition('.')[0]}")
    if log.isEnabledFor(level):
        log.log(level, f"{event}: {message}", *args, extra={"event": event, **fields})


def tell_start(run: Run) -> None:
    """Log that a run begins."""
    tell(
        "job.started", "%s %s begins attempt %d", run.task, run.job_id, run.number,
        job=str(run.job_id), task=run.task, queue=run.queue, attempt=run.number, worker=run.worker,
        wait_seconds=round(run.wait_seconds, 6),
    )  # fmt: skip


def tell_crash(worker: str, code: int, delay_seconds: float) -> None:
    """Log that a worker ended with this exit code before it had begun anything."""
    words = "worker %s ended at its start (%s); next try in %.1f s"
    tell("worker.crashed", words, worker, code, delay_seconds, worker=worker, reason=f"exit code {code}")


def tell_death(worker: str, code: int, job_count: int) -> None:
    """Log that a worker process ended with this exit code, which is a signal's number if it is negative."""
    words = "worker %s died (%s) with %d runs"
    tell("worker.lost", words, worker, code, job_count, worker=worker, reason=f"exit code {code}", job_count=job_count)


def listen() -> None:
    """Tell of what happens in this process."""
    events.subscribe(events.JobsEnqueued, _tell_enqueued)
    events.subscribe(events.JobsClaimed, _look_whether_starts_are_told)
    events.subscribe(events.JobsSettled, _tell_settled)
    events.subscribe(events.JobsCancelled, _tell_settled)
    events.subscribe(events.JobsOperated, _tell_operated)
    events.subscribe(events.QueueChanged, _tell_queue)
    events.subscribe(events.WorkersChanged, _tell_workers)


def _tell_enqueued(event: events.JobsEnqueued) -> None:
    for job_id, task, queue in event.jobs:
        tell("job.enqueued", "%s %s on %s", task, job_id, queue, job=str(job_id), task=task, queue=queue)


def _look_whether_starts_are_told(_: events.JobsClaimed) -> None:
    global tells_starts
    tells_starts = logger.isEnabledFor(EVENTS["job.started"].level)


def _tell_settled(event: events.JobsSettled | events.JobsCancelled) -> None:
    is_silent = not logger.isEnabledFor(logging.DEBUG)
    for change in event.changes:
        if is_silent and change.state == JobState.SUCCEEDED:
            continue  # nearly all of them, so they are passed over fast
        tell(
            name_of(change), "%s %s: attempt %d ended with %s after %.3f s, the job is %s",
            change.task, change.job_id, change.attempt, change.outcome or "no run", change.duration_seconds,
            change.state,
            job=str(change.job_id), task=change.task, queue=change.queue, attempt=change.attempt,
            worker=event.worker, outcome=change.outcome, duration_seconds=round(change.duration_seconds, 6),
        )  # fmt: skip


def name_of(change: events.Change) -> str:
    """Return the event that a job's move is."""
    match change.state:
        case JobState.SUCCEEDED | JobState.DEAD | JobState.CANCELLED:
            return f"job.{change.state}"
        case _ if change.outcome == Outcome.LOST:
            return "job.lost"
        case JobState.RETRYING:
            return "job.snoozed" if change.outcome == Outcome.SNOOZED else "job.retrying"
        case _:
            return "job.interrupted"


def _tell_operated(event: events.JobsOperated) -> None:
    count = len(event.job_ids)
    tell(
        "operator.acted", "%s by %s on %d jobs", event.action, event.actor, count,
        action=event.action, actor=event.actor, job_count=count,
    )  # fmt: skip


def _tell_queue(event: events.QueueChanged) -> None:
    name = "queue.paused" if event.is_paused else "queue.resumed"
    tell(name, "queue %s", event.queue, queue=event.queue)


def _tell_workers(event: events.WorkersChanged) -> None:
    for worker in event.workers if event.state in _WORKERS else ():  # whoever finds a worker lost says it with a reason
        name, words = _WORKERS[WorkerState(event.state)]
        tell(name, words, worker, worker=worker)
