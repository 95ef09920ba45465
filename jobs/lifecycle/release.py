"""Jobs come back from workers: claims that never began, and what a dead worker leaves."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from jobs import events
from jobs.errors import TaskTimeout
from jobs.failpoints import reach
from jobs.lifecycle.counting import count
from jobs.lifecycle.publishing import Ref
from jobs.lifecycle.settle import settle
from jobs.lifecycle.tally import SILENT
from jobs.models import Job, Worker
from jobs.models.worker import LIVING, WorkerState
from jobs.runs import Run
from jobs.statements import ledger_transaction
from jobs.states import JobState, Outcome

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Remains:
    """What is known of a run that its worker left behind. Times are readings of `time.monotonic()`."""

    outcome: Outcome
    message: str
    started_seconds: float
    ended_seconds: float
    is_alone: bool = False


def release(job_ids: Sequence[UUID], claim: int) -> int:
    """Give claimed jobs that have not begun back to the queue, uncounted; return how many.

    The dispatcher publishes them again. One with a cancel request becomes cancelled.
    """
    with ledger_transaction():
        held = _held(job_ids, claim)
        count = _cancel_requested(held) + held.update(state=JobState.QUEUED, claim=None, claimed_at=None)
        reach("release.moved")
        return count


def republish(job_ids: Sequence[UUID], claim: int) -> list[Ref]:
    """Give claimed jobs that have not begun back as published rows, whose messages the caller sends at once.

    One with a cancel request becomes cancelled.
    """
    with ledger_transaction():
        held = _held(job_ids, claim)
        _cancel_requested(held)
        rows = list(held.order_by("id").values_list("id", "publish_seq", "queue", "priority", "task"))
        held.update(
            state=JobState.QUEUED,
            claim=None,
            claimed_at=None,
            published_at=Now(),
            publish_seq=F("publish_seq") + 1,
        )
        reach("republish.moved")
    return [(job_id, seq + 1, queue, priority, task) for job_id, seq, queue, priority, task in rows]


def _held(job_ids: Sequence[UUID], claim: int) -> QuerySet[Job]:
    return Job.objects.filter(id__in=job_ids, state=JobState.RUNNING, claim=claim)


def _cancel_requested(held: QuerySet[Job]) -> int:
    """Cancel those whose cancellation was requested, and lock the others against new requests."""
    columns = ("id", "queue", "task", "attempt", "cancel_requested_at")
    rows = list(held.select_for_update().order_by("id").values_list(*columns))
    requested = [row[:4] for row in rows if row[4] is not None]
    if requested:
        held.filter(id__in=[row[0] for row in requested]).update(
            state=JobState.CANCELLED, finished_at=Now(), reason="cancelled", claim=None, claimed_at=None
        )
        count("state_cancelled", (row[1:3] for row in requested))
        state = JobState.CANCELLED.value
        changes = (events.Change(i, task, queue, state, "", attempt) for i, queue, task, attempt in requested)
        events.emit_on_commit(events.JobsCancelled("", tuple(changes)))
    return len(requested)


def lose_worker(
    worker_id: str, *, remains: Mapping[UUID, Remains] | None = None, state: WorkerState = WorkerState.LOST
) -> int:
    """End a worker that is gone: its row becomes `state` and its jobs go on elsewhere. Return how many jobs it held.

    `remains` holds the runs that had begun, as the pool parent knows them; jobs not in it go back uncounted. None
    means that nobody knows: every claim counts as begun and lost. Idempotent; a worker that is marked lost never
    heartbeats or claims again.
    """
    found = 0
    with ledger_transaction() as statements:
        Worker.objects.filter(id=worker_id, state__in=LIVING).update(state=state, ended_at=Now(), runs=[])
        reach("lose.marked")
        clock_seconds = statements.present().timestamp() - time.monotonic()
        held = Job.objects.filter(worker=worker_id, state=JobState.RUNNING).order_by("id")
        while jobs := list(held[:_BATCH]):
            found += len(jobs)
            begun = [job for job in jobs if remains is None or job.id in remains]
            settle([_run(job, clock_seconds, remains, is_alone=found == 1) for job in begun])
            _release_all([job for job in jobs if job not in begun])
            reach("lose.batch")
    events.emit(events.WorkersChanged((worker_id,), str(state)))
    return found


def _release_all(jobs: Sequence[Job]) -> None:
    by_claim: dict[int, list[UUID]] = {}
    for job in jobs:
        by_claim.setdefault(job.claim or 0, []).append(job.id)
    for claim, job_ids in by_claim.items():
        release(job_ids, claim)


def leave(worker_id: str) -> None:
    """End a worker in good order; should it hold claims, they go back uncounted."""
    lose_worker(worker_id, remains={}, state=WorkerState.STOPPED)


def _run(
    job: Job, clock_seconds: float, remains: Mapping[UUID, Remains] | None, *, is_alone: bool
) -> Run:
    run = Run(
        job_id=job.id, task=job.task, queue=job.queue, claim=job.claim or 0, worker=job.worker,
        number=job.attempt + 1, failure_count=job.failure_count, loss_count=job.loss_count,
        max_attempts=job.max_attempts, timeout_seconds=job.timeout_seconds,
        created_seconds=job.created_at.timestamp(), due_seconds=job.due_at.timestamp(),
        clock_seconds=clock_seconds, is_alone=is_alone,
    )  # fmt: skip
    if remains is None:
        assert job.claimed_at is not None  # nosec B101 # a CHECK constraint says so
        run.started_seconds = job.claimed_at.timestamp() - clock_seconds
        run.finished_seconds = time.monotonic()
        run.outcome, run.message = Outcome.LOST, SILENT
    else:
        left = remains[job.id]
        run.started_seconds, run.finished_seconds = left.started_seconds, left.ended_seconds
        run.outcome, run.message, run.is_alone = left.outcome, left.message, left.is_alone
        if left.outcome is Outcome.TIMEOUT:
            run.error, run.exception_class = TaskTimeout(left.message), "jobs.errors.TaskTimeout"
    return run
