"""The jobs of an operation: all of them for a preview, page by page for the work, each exactly once.

Pages go by id from the first match to the last one there was at the start, so that a job that is retried and dies
again is not met twice, and the operation ends however many jobs come after it.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from jobs.conf import get_settings
from jobs.filters import StateIn, matching
from jobs.models import AuditEntry, Job, Operation
from jobs.states import JobState

Page = tuple[list[UUID], str]
"""Ids of jobs, and the cursor that stands behind them."""


def rows_of(operation: Operation, limit: int) -> list[Job]:
    """Return up to `limit` jobs as far as a verb needs to look at them."""
    looked_at = ("id", "task", "state", "queue", "cancel_requested_at")
    if operation.ids is not None or operation.undoes_id is not None:
        ids, _ = page(operation, "", limit)
        return list(_jobs().filter(id__in=ids).only(*looked_at))
    return list(_matching(operation).only(*looked_at).order_by()[:limit])


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
    job_id = _matching(operation).order_by("-id").values_list("id", flat=True).first()
    return str(job_id or UUID(int=0))


def _matching(operation: Operation) -> "QuerySet[Job]":
    if operation.fingerprint:
        return _jobs().filter(StateIn([JobState.DEAD]), fingerprint=operation.fingerprint)
    return matching(operation.filter, actor="operation")  # whether its actor may ask so was checked in the preview


def _changed_by(operation_id: int, cursor: str, limit: int) -> Page:
    done = AuditEntry.objects.using(get_settings().database).filter(
        operation_id=operation_id, id__gt=int(cursor or 0), target__startswith="job "
    )
    entries: Sequence[tuple[int, str]] = list(done.order_by("id").values_list("id", "target")[:limit])
    ids = [UUID(target.removeprefix("job ")) for _, target in entries]
    return ids, str(entries[-1][0]) if entries else cursor


def _jobs() -> "QuerySet[Job]":
    return Job.objects.using(get_settings().database)
