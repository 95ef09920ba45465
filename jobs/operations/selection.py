"""The jobs of an operation: all of them for a preview, page by page for the work, each exactly once.

Pages go by id from the first match to the last one there was at the start, so that a job that is retried and dies
again is not met twice, and the operation ends however many jobs come after it.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from jobs.conf import get_settings
from jobs.filters import Search, StateIn, matching, parse
from jobs.filters.limits import TookTooLong, limited
from jobs.models import AuditEntry, Job, Operation
from jobs.states import JobState

Page = tuple[list[UUID], str]
"""Ids of jobs, and the cursor that stands behind them."""


COUNTING = "operation"
"""Who searches: whether the operation's own actor may ask so was checked when it was previewed."""
LOOKED_AT = ("id", "task", "state", "queue", "cancel_requested_at")
"""What a verb needs to look at."""
LAST_SECONDS = 1.0


def rows_of(operation: Operation, limit: int) -> tuple[list[Job], bool]:
    """Return up to `limit` jobs for a preview, and whether others may match that were not looked at.

    Where a term has no index, these are the jobs that a page of the same filter finds: of the newest, and in a second.
    """
    if operation.ids is not None or operation.undoes_id is not None:
        ids, _ = page(operation, "", limit)
        return list(_jobs().filter(id__in=ids).only(*LOOKED_AT)), False
    if operation.filter:
        search = Search(parse(operation.filter), actor=COUNTING)
        if search.plan.scans:
            found = search.page(limit=limit)
            return list(found.jobs), found.is_partial
    return list(_matching(operation).only(*LOOKED_AT).order_by()[:limit]), False


def page(operation: Operation, cursor: str, limit: int) -> Page:
    """Return the ids of up to `limit` jobs behind the cursor; none at the end."""
    if operation.ids is not None:
        start = int(cursor or 0)
        texts = operation.ids[start : start + limit]
        return [UUID(text) for text in texts], str(start + len(texts))
    if operation.undoes_id is not None:
        return _changed_by(operation.undoes_id, cursor, limit)
    behind = _matching(operation)
    if cursor:
        behind = behind.filter(id__gt=UUID(cursor))
    if operation.last:
        behind = behind.filter(id__lte=UUID(operation.last))
    ids = list(behind.order_by("id").values_list("id", flat=True)[:limit])
    return ids, str(ids[-1]) if ids else cursor


def last_of(operation: Operation) -> str:
    """Return the last job that matches now; empty where what comes later cannot match."""
    if operation.ids is not None or operation.undoes_id is not None:
        return ""
    try:
        with limited(LAST_SECONDS):
            job_id = _newest(_matching(operation))
    except TookTooLong:  # then one behind it bounds the work as well
        job_id = _newest(_jobs())
    return str(job_id or UUID(int=0))


def _newest(rows: "QuerySet[Job]") -> UUID | None:
    return rows.order_by("-id").values_list("id", flat=True).first()


def _matching(operation: Operation) -> "QuerySet[Job]":
    if operation.fingerprint:
        return _jobs().filter(StateIn([JobState.DEAD]), fingerprint=operation.fingerprint)
    return matching(operation.filter, actor=COUNTING)


def _changed_by(operation_id: int, cursor: str, limit: int) -> Page:
    done = AuditEntry.objects.using(get_settings().database).filter(
        operation_id=operation_id, id__gt=int(cursor or 0), target__startswith="job "
    )
    entries: Sequence[tuple[int, str]] = list(done.order_by("id").values_list("id", "target")[:limit])
    ids = [UUID(target.removeprefix("job ")) for _, target in entries]
    return ids, str(entries[-1][0]) if entries else cursor


def _jobs() -> "QuerySet[Job]":
    return Job.objects.using(get_settings().database)
