"""Deletes what has been kept long enough: the only place that removes jobs and attempts."""

from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.conf import get_settings
from jobs.failpoints import reach
from jobs.models import Attempt, Job
from jobs.statements import LOCK_SECONDS, ledger_transaction
from jobs.states import JobState


def delete_old(limit: int = 500) -> int:
    """Delete up to `limit` jobs of each final state that are older than its retention, and return how many.

    Attempts go first and both by id: Django's cascade would load every row, and the database has no foreign
    key.
    """
    return sum(delete_older(state, seconds, limit) for state, seconds in retentions().items())


def retentions() -> dict[JobState, float]:
    """Return for how many seconds jobs of each final state are kept; one that is kept for ever is not there."""
    settings = get_settings()
    kept = {
        JobState.SUCCEEDED: settings.retention_succeeded_seconds,
        JobState.CANCELLED: settings.retention_cancelled_seconds,
        JobState.DEAD: settings.retention_dead_seconds,
    }
    return {state: seconds for state, seconds in kept.items() if seconds}


def older(state: JobState, older_than_seconds: float) -> "QuerySet[Job]":
    """Return the jobs that reached this final state longer ago."""
    rows = Job.objects.using(get_settings().database)
    return rows.filter(state=state, finished_at__lt=Now() - timedelta(seconds=older_than_seconds))


def delete_older(state: JobState, older_than_seconds: float, limit: int = 500) -> int:
    """Delete up to `limit` jobs that reached this final state longer ago, and return how many."""
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        locked = older(state, older_than_seconds).order_by("finished_at").select_for_update(skip_locked=True)
        ids = list(locked.values_list("id", flat=True)[:limit])
        if not ids:
            return 0
        Attempt.objects.using(database).filter(job_id__in=ids)._raw_delete(database)
        reach("retention.attempts_deleted")
        count = Job.objects.using(database).filter(id__in=ids, state=state)._raw_delete(database)
    reach("retention.committed")
    return count
