"""Workers join, beat and leave. One row is one incarnation of one process."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from jobs import events
from jobs.failpoints import reach
from jobs.models import Job, Worker
from jobs.models.worker import WorkerState
from jobs.statements import ledger_statement
from jobs.states import JobState


def enrol(worker: Worker) -> None:
    """Insert the row of a new incarnation."""
    with ledger_statement():
        worker.save(force_insert=True)
    reach("worker.enrolled")
    events.emit(events.WorkersChanged((worker.id,), WorkerState.ACTIVE))


def announce_stop(worker_id: str) -> None:
    """Say in a worker's row that it finishes what it runs and receives nothing more."""
    if Worker.objects.filter(id=worker_id, state=WorkerState.ACTIVE).update(state=WorkerState.STOPPING):
        events.emit(events.WorkersChanged((worker_id,), WorkerState.STOPPING))


def heartbeat(beats: Sequence[tuple[str, str, int]]) -> dict[str, str]:
    """Record signs of life, one statement for all: (worker id, runs as JSON, memory in bytes).

    Returns the workers that may go on, each with what an operator asks of it (see Request); one that is missing was
    marked lost or stopped and must end at once.
    """
    if not beats:
        return {}
    with ledger_statement() as statements:
        living = statements.heartbeat(beats)
    reach("heartbeat.written")
    return living


def cancel_requests(worker_ids: Sequence[str]) -> dict[UUID, str]:
    """Return the running jobs of these workers whose cancellation was requested, with their worker."""
    return dict(
        Job.objects.filter(
            state=JobState.RUNNING, worker__in=worker_ids, cancel_requested_at__isnull=False
        ).values_list("id", "worker")
    )


def record_progress(words: Mapping[UUID, tuple[int, dict[str, Any]]]) -> None:
    """Write how far running jobs are: by job, the claim and the latest word."""
    for job_id, (claim, word) in words.items():
        Job.objects.filter(id=job_id, state=JobState.RUNNING, claim=claim).update(progress=word)


def claims_of(worker_id: str) -> dict[UUID, int]:
    """Return the running jobs that the ledger assigns to a worker, with their claims."""
    held = Job.objects.filter(worker=worker_id, state=JobState.RUNNING, claim__isnull=False)
    return {job_id: claim or 0 for job_id, claim in held.values_list("id", "claim")}
