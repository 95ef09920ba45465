"""Failed attempts, gathered by the scheduler's leader: into their groups, to the signal, to the notices."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction

from jobs import failures
from jobs.conf import get_settings
from jobs.masking import mask
from jobs.models import Attempt, Failure, Job
from jobs.notifications import notices
from jobs.notifications.hook import FailedJob, jobs_failed, teller
from jobs.notifications.options import options
from jobs.states import JobState

BATCH = 200
"""Failures at once when somebody is to be told of them: each may have a long traceback."""


def gather(limit: int = failures.FOLD_BATCH) -> int:
    """Gather up to `limit` failures, tell of them, and return how many there were.

    If nobody wants to know, this is `failures.fold` and nothing else.
    """
    if not (jobs_failed.has_listeners(FailedJob) or options().tasks):
        return failures.fold(limit)
    total = 0
    while total < limit:
        count = failures.fold(min(BATCH, limit - total), _tell)
        total += count
        if count < BATCH:
            break
    return total


def _tell(notes: Sequence[Failure]) -> None:
    failed = described(notes)
    if options().tasks:
        notices.count_dead(failed)
    if jobs_failed.has_listeners(FailedJob):
        transaction.on_commit(partial(teller.tell, failed), using=get_settings().database, robust=True)


def described(notes: Sequence[Failure]) -> list[FailedJob]:
    """Return the failures with what their jobs and attempts say, by three queries."""
    database, ids = get_settings().database, {note.job_id for note in notes}
    jobs = Job.objects.using(database).only("id", "state", "queue", "attempt", "tags", "fingerprint").in_bulk(ids)
    attempts = _attempts(notes)
    texts = Attempt.objects.using(database).filter(id__in=[attempt.id for attempt in attempts.values()]).order_by()
    tracebacks = dict(texts.values_list("id", "traceback"))
    return [
        _failed(note, jobs.get(note.job_id), attempt, tracebacks.get(attempt.id, "") if attempt else "")
        for note in notes
        for attempt in [attempts.get((note.job_id, note.failed_at))]
    ]


def _attempts(notes: Sequence[Failure]) -> dict[tuple[UUID, datetime], Attempt]:
    """Return the attempts that left these notes, without their long columns, by job and end."""
    oldest_at = min(note.failed_at for note in notes) - timedelta(seconds=1)
    # not by the exact times: SQLite compares them as texts, and has two ways to write one
    rows = Attempt.objects.using(get_settings().database).filter(
        job_id__in={note.job_id for note in notes},
        fingerprint__in={note.fingerprint for note in notes},
        finished_at__gte=oldest_at,
    )
    found = rows.order_by().only("id", "job_id", "number", "queue", "finished_at")
    return {(attempt.job_id, attempt.finished_at): attempt for attempt in found}


def _failed(note: Failure, job: Job | None, attempt: Attempt | None, traceback: str) -> FailedJob:
    is_dead = job is not None and job.state == JobState.DEAD and job.fingerprint == note.fingerprint
    is_last = job is None or attempt is None or attempt.number == job.attempt
    tags = job.tags if job is not None and isinstance(job.tags, list) else []
    known = attempt or job
    return FailedJob(
        job_id=note.job_id, task=note.task, queue=known.queue if known else "",
        attempt=attempt.number if attempt else 0, is_dead=is_dead and is_last,
        tags=tuple(mask(str(tag)) for tag in tags), fingerprint=note.fingerprint,
        exception_class=note.exception_class, message=mask(note.message), frame=note.frame, traceback=traceback,
        failed_at=note.failed_at,
    )  # fmt: skip
