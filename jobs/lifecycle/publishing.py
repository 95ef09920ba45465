"""Which queued rows are on the transport: `published_at` and `publish_seq`."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from jobs.models import Job, Queue
from jobs.statements import ledger, ledger_statement, ledger_transaction
from jobs.states import JobState

Ref = tuple[UUID, int, str, int, str]  # id, publish_seq, queue, priority, task


def take_unpublished(queue: str, limit: int, minimum_priority: int = -100) -> list[Ref]:
    """Mark up to `limit` queued rows of a queue as published, by priority and age, and return them in that order."""
    with ledger_statement() as statements:
        rows = statements.take_unpublished(queue, limit, minimum_priority)
    return [(job_id, seq, queue, priority, task) for job_id, seq, priority, task in rows]


def take_lost(queues: Sequence[str], limit: int = 1000) -> list[Ref]:
    """Mark queued rows that were lost with a worker as published, and return them by priority and age."""
    ids = ledger().lost(limit)
    if not ids:
        return []
    with ledger_transaction():
        lost = Job.objects.filter(id__in=ids, queue__in=queues, state=JobState.QUEUED, published_at=None)
        locked = lost.select_for_update(skip_locked=True).order_by("-priority", "id")
        rows = list(locked.values_list("id", "publish_seq", "queue", "priority", "task"))
        taken = Job.objects.filter(id__in=[row[0] for row in rows])
        taken.update(published_at=Now(), publish_seq=F("publish_seq") + 1)
    return [(job_id, seq + 1, queue, priority, task) for job_id, seq, queue, priority, task in rows]


def unpublish(refs: Iterable[tuple[UUID, int]]) -> int:
    """Mark rows as not on the transport again, where (id, publish_seq) still stands; return how many."""
    by_seq: dict[int, list[UUID]] = {}
    for job_id, seq in refs:
        by_seq.setdefault(seq, []).append(job_id)
    return sum(
        Job.objects.filter(id__in=ids, publish_seq=seq, state=JobState.QUEUED).update(published_at=None)
        for seq, ids in by_seq.items()
    )


def announce_again(job_ids: Sequence[UUID]) -> int:
    """Mark queued rows whose messages were taken, but which were not claimed, for another message."""
    return Job.objects.filter(id__in=job_ids, state=JobState.QUEUED).update(published_at=None)


def unpublish_queue(queue: str) -> int:
    """Mark every queued row of a queue as not on the transport; for a queue that is paused or resumed."""
    return Job.objects.filter(queue=queue, state=JobState.QUEUED, published_at__isnull=False).update(
        published_at=None
    )


def paused_queues() -> set[str]:
    """Return the names of all paused queues."""
    return set(Queue.objects.filter(paused_at__isnull=False).values_list("name", flat=True))
