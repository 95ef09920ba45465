"""Moves that time alone causes: due jobs to `queued`, expired ones to `cancelled`."""

from collections.abc import Sequence

from django.db.models.functions import Now

from jobs.conf import get_settings
from jobs.events import Change, JobsSettled, emit_on_commit
from jobs.failpoints import reach
from jobs.filters import StateIn
from jobs.lifecycle.counting import count as tally
from jobs.models import Job, Queue
from jobs.statements import LOCK_SECONDS, ledger_transaction
from jobs.states import WAITING, JobState

DELAYED = (JobState.SCHEDULED.value, JobState.RETRYING.value)
EXPIRED = "expired"

_WAITING = sorted(WAITING)


def promote_due(limit: int = 1000) -> int:
    """Move up to `limit` delayed jobs whose time has come to `queued`, and return how many.

    They are unpublished then; the dispatcher sends them out by priority and age.
    """
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        due = Job.objects.using(database).filter(StateIn(DELAYED), due_at__lte=Now()).order_by("due_at")
        ids = list(due.select_for_update(skip_locked=True).values_list("id", flat=True)[:limit])
        if not ids:
            return 0
        delayed = Job.objects.using(database).filter(id__in=ids, state__in=DELAYED)
        count = delayed.update(state=JobState.QUEUED, published_at=None)
        reach("due.promoted")
        return count


def expire(limit: int = 1000) -> int:
    """Cancel up to `limit` waiting jobs whose `expires_at` has passed, and return how many.

    A claim refuses such jobs by itself; this gives them their final state.
    """
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        expired = Job.objects.using(database).filter(StateIn(WAITING), expires_at__lte=Now()).order_by()
        jobs = list(expired.select_for_update(skip_locked=True).only("id", "task", "queue", "attempt")[:limit])
        if not jobs:
            return 0
        count = (
            Job.objects.using(database)
            .filter(id__in=[job.id for job in jobs], state__in=_WAITING)
            .update(state=JobState.CANCELLED, reason=EXPIRED, finished_at=Now(), published_at=None)
        )
        tally("state_cancelled", ((job.queue, job.task) for job in jobs))
        emit_on_commit(JobsSettled("", tuple(_change(job) for job in jobs)))
        reach("due.expired")
        return count


def _change(job: Job) -> Change:
    return Change(job.id, job.task, job.queue, JobState.CANCELLED.value, outcome="", attempt=job.attempt)


def is_anything_due(queues: Sequence[str] | None) -> bool:
    """Tell whether a worker of these queues (None: all) could claim something now, paused queues aside."""
    jobs = Job.objects.using(get_settings().database).exclude(
        queue__in=Queue.objects.filter(paused_at__isnull=False).values("name")
    )
    if queues is not None:
        jobs = jobs.filter(queue__in=queues)
    return jobs.filter(StateIn([JobState.QUEUED])).exclude(expires_at__lte=Now()).exists() or (
        jobs.filter(StateIn(DELAYED), due_at__lte=Now()).exists()
    )
