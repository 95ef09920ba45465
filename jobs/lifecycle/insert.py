"""Jobs enter the ledger: one INSERT per batch, in the caller's own transaction."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import NOT_PROVIDED
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now

from jobs import events
from jobs.conf import get_settings
from jobs.errors import DuplicateJob
from jobs.failpoints import reach
from jobs.models import Job
from jobs.models.fields import uuid7
from jobs.statements import Columns, ledger
from jobs.states import UNFINISHED
from jobs.strict_json import compact

_log = logging.getLogger("jobs.job")  # where logs.py tells of single jobs, if anybody listens

# Columns that an insert never writes: the database's defaults are right for them.
_LATER = {
    "attempt", "failure_count", "loss_count", "claimed_at", "claim", "worker", "finished_at", "cancel_requested_at",
    "progress", "result", "reason",
}  # fmt: skip
_ROWS_PER_STATEMENT = 1000
_UNIQUE_TRIES = 5
_DUPLICATE_ID = re.compile(r"jobs_job_pkey|UNIQUE constraint failed: jobs_job\.id\b")
# SQLite wants the condition of the partial index word for word.
_CONFLICT = (
    " ON CONFLICT (unique_key) WHERE state IN ("
    + ", ".join(f"'{state}'" for state in sorted(UNFINISHED))
    + ") AND unique_key IS NOT NULL DO NOTHING"
)


def insert(jobs: Sequence[Job]) -> list[Job]:
    """Insert checked, unsaved jobs; all or none.

    A job whose `unique_key` an unfinished job holds takes over that job's columns and gets `is_duplicate` set.
    Jobs with `published_at` set have their messages sent after the commit.

    Raises: DuplicateJob for an id that exists already.
    """
    for job in jobs:
        job.id = job.id or uuid7()
    if len({job.id for job in jobs}) < len(jobs):
        raise DuplicateJob("one id of the batch")
    plain = [job for job in jobs if job.unique_key is None]
    # sorted, so that two batches with the same keys wait for each other in one order and cannot deadlock
    keyed = sorted((job for job in jobs if job.unique_key is not None), key=lambda job: str(job.unique_key))
    alias = get_settings().database
    is_one_statement = len(plain) <= _ROWS_PER_STATEMENT and not keyed
    try:
        # one statement is atomic by itself, and a savepoint per enqueue would cost two round trips more
        with nullcontext() if is_one_statement else transaction.atomic(using=alias):
            _write(plain, "")
            _write_unique(keyed)
            reach("enqueue.inserted")
    except IntegrityError as error:
        if _DUPLICATE_ID.search(str(error)):
            raise DuplicateJob(", ".join(str(job.id) for job in jobs[:3])) from error
        raise
    _announce([job for job in jobs if not job.is_duplicate])
    return list(jobs)


def _announce(jobs: Sequence[Job]) -> None:
    if not jobs:
        return
    alias = get_settings().database
    for job in jobs:
        job._state.adding, job._state.db = False, alias
    refs = tuple(
        (job.id, job.publish_seq, job.queue, job.priority, job.task) for job in jobs if job.published_at is not None
    )
    if refs:  # before the live feed hears of it: a worker may be waiting
        events.emit_on_commit(events.JobsPublishable(refs))
    if _log.isEnabledFor(logging.DEBUG):
        events.emit_on_commit(events.JobsEnqueued(tuple((job.id, job.task, job.queue) for job in jobs)))
    counts = Counter(job.queue for job in jobs)
    events.emit_on_commit(events.JobsInserted(tuple(sorted(counts.items()))))


def _write(jobs: Sequence[Job], conflict: str) -> set[UUID]:
    """Insert rows and return the ids that were really inserted; fills in the times that the database gave."""
    written: set[UUID] = set()
    for start in range(0, len(jobs), _ROWS_PER_STATEMENT):
        part = jobs[start : start + _ROWS_PER_STATEMENT]
        ids, now = ledger().insert_jobs(_columns(part), conflict)
        written.update(ids)
        for job in [job for job in part if job.id in written] if conflict else part:
            job.created_at = now
            if job.published_at is not None:
                job.published_at = now
            if _is_default(job.due_at):
                job.due_at = now
    return written


_KINDS = {
    "UUIDField": "uuid", "JSONField": "json", "DateTimeField": "timestamp", "SmallIntegerField": "int",
    "IntegerField": "int",
}  # fmt: skip
_TEXTUAL = {"json", "timestamp", "now", "due"}


@cache
def _written() -> tuple[Callable[[Any], tuple[Any, ...]], list[tuple[str, str, Any]]]:
    """Return what picks the values to write out of a job's __dict__, and (column, kind, default) of each."""
    fields = [field for field in Job._meta.concrete_fields if field.attname not in _LATER]
    kinds = {"published_at": "now", "due_at": "due", "created_at": "due"}
    columns = [
        (
            str(field.column),
            kinds.get(field.attname) or _KINDS.get(field.get_internal_type(), "text"),
            None if field.default is NOT_PROVIDED else field.get_default(),
        )
        for field in fields
    ]
    return itemgetter(*(field.attname for field in fields)), columns


def _columns(jobs: Sequence[Job]) -> Columns:
    """Return the columns in which any of the jobs differs from the database's default; the rest costs nothing."""
    pick, written = _written()
    columns: dict[str, tuple[str, Sequence[Any]]] = {}
    for (name, kind, default), values in zip(written, zip(*map(pick, map(vars, jobs)), strict=True), strict=True):
        first = values[0]
        if isinstance(first, DatabaseDefault) and all(map(_is_default, values)):
            continue
        is_equal = values.count(first) == len(values)
        if (first == default) if is_equal else all(value == default for value in values):
            continue
        if kind not in _TEXTUAL:
            columns[name] = (kind, values)
        else:
            columns[name] = (kind, [_stored(first)] * len(values) if is_equal else list(map(_stored, values)))
    return columns


def _stored(value: Any) -> Any:
    if isinstance(value, Now):
        return True
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(sep=" ")
    return None if value is None or _is_default(value) else compact(value)


def _is_default(value: Any) -> bool:
    return isinstance(value, DatabaseDefault)


def _write_unique(jobs: Sequence[Job]) -> None:
    waiting = _first_of_each_key(jobs)
    for _ in range(_UNIQUE_TRIES):
        if not waiting:
            break
        written = _write(waiting, _CONFLICT)
        refused = [job for job in waiting if job.id not in written]
        holders = {
            job.unique_key: job
            for job in Job.objects.using(get_settings().database).filter(
                unique_key__in=[job.unique_key for job in refused], state__in=sorted(UNFINISHED)
            )
        }
        for job in refused:
            if job.unique_key in holders:
                _become(job, holders[job.unique_key])
        # no holder: the winner has just finished, so the key is free again
        waiting = [job for job in refused if job.unique_key not in holders]
    else:
        raise IntegrityError(f"unique_key {waiting[0].unique_key!r} changed hands {_UNIQUE_TRIES} times; try again")
    by_key = {job.unique_key: job for job in jobs[::-1]}
    for job in jobs:
        if by_key[job.unique_key] is not job:
            _become(job, by_key[job.unique_key])


def _first_of_each_key(jobs: Sequence[Job]) -> list[Job]:
    return list({job.unique_key: job for job in jobs[::-1]}.values())[::-1]


def _become(job: Job, other: Job) -> None:
    for field in Job._meta.concrete_fields:
        setattr(job, field.attname, getattr(other, field.attname))
    job._state.adding, job._state.db, job.is_duplicate = False, other._state.db, True
