"""Workers take jobs: one guarded UPDATE per batch, under a fresh claim token, the fence of all that follows."""

import secrets
import time
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from uuid import UUID

from jobs import events, traces
from jobs.failpoints import reach
from jobs.models import Job
from jobs.runs import Run
from jobs.statements import ClaimedRow, Place, ledger, ledger_statement
from jobs.states import JobState

STALE_SECONDS = 1.0
"""An idle worker that finds the transport empty takes jobs whose message was sent longer ago than this."""


def new_claim() -> int:
    """Return a random 63-bit token, never used before for all practical purposes."""
    return secrets.randbits(63)


def claim(
    ids: Sequence[UUID], *, worker: str, queues: Sequence[str] | None = None, is_alone: bool = False
) -> list[Run]:
    """Claim those of `ids` that are queued, not expired, not paused and in `queues` (None: any).

    A job that has been lost before is claimed only with `is_alone`, so that it takes no others with it.
    """
    token = new_claim()
    with ledger_statement() as statements:
        rows = statements.claim(ids, token, worker, queues, is_alone)
    return _runs(rows, token, worker)


def claim_waiting(
    queues: Sequence[str],
    limit: int,
    *,
    worker: str,
    is_suspect: bool = False,
    minimum_priority: int = -100,
    after: Place | None = None,
) -> list[Run]:
    """Claim up to `limit` jobs straight from the ledger, best first, from the first queue that has any.

    For rows that the transport does not carry. `is_suspect` claims those lost before instead; take them one by one.
    `after` claims only jobs of the same priority that come behind this place.
    """
    token = new_claim()
    for queue in queues:
        with ledger_statement() as statements:
            rows = statements.claim_waiting(
                queue, limit, token, worker, is_suspect=is_suspect, minimum_priority=minimum_priority, after=after
            )
        if rows:
            return _runs(rows, token, worker)
    return []


def claim_stale(
    queues: Sequence[str] | None, limit: int, *, worker: str, older_than_seconds: float = STALE_SECONDS
) -> list[Run]:
    """Claim jobs whose message seems lost; for a worker that has found the transport empty or away."""
    token = new_claim()
    with ledger_statement() as statements:
        rows = statements.claim_stale(queues, limit, token, worker, older_than_seconds)
    return _runs(rows, token, worker)


def waiting_queues() -> list[str]:
    """Return the queues with rows that are due and not on the transport."""
    return ledger().waiting_queues()


def suspects_among(ids: Sequence[UUID]) -> list[UUID]:
    """Return those of `ids` that still wait and have been lost before."""
    return list(
        Job.objects.filter(id__in=ids, state=JobState.QUEUED, loss_count__gt=0).values_list("id", flat=True)
    )


def _runs(rows: Sequence[ClaimedRow], token: int, worker: str) -> list[Run]:
    if not rows:
        return []
    reach("claim.committed")
    received_seconds = time.monotonic()
    runs = [
        Run(
            job_id=job_id, task=task, queue=queue, priority=priority, claim=token, worker=worker, number=attempt + 1,
            failure_count=failure_count, loss_count=loss_count, max_attempts=max_attempts,
            timeout_seconds=timeout_seconds, created_seconds=created, due_seconds=due,
            clock_seconds=claimed - received_seconds, args_text=args, kwargs_text=kwargs,
        )
        for (
            job_id, task, queue, priority, attempt, failure_count, loss_count, max_attempts, timeout_seconds,
            created, due, claimed, args, kwargs,
        ) in sorted(rows, key=itemgetter(0))
    ]  # fmt: skip
    if traces.tracer is not None:
        traces.recall(runs)
    counts = Counter(run.queue for run in runs)
    events.emit(events.JobsClaimed(worker, tuple(sorted(counts.items()))))
    return runs
