"""Jobs enter the ledger: one INSERT per batch, in the caller's own transaction."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import NOT_PROVIDED, JSONField
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now

from jobs import events
from jobs.conf import get_settings
from jobs.errors import DuplicateJob
from jobs.models import Job
from jobs.models.fields import uuid7
from jobs.statements import ledger
from jobs.states import UNFINISHED

# Columns that an insert never writes: the database's defaults are right for them.
_LATER = {
    "attempt", "failure_count", "loss_count", "claimed_at", "claim", "worker", "finished_at", "cancel_requested_at",
    "progress", "result", "reason",
}  # fmt: skip
_ROWS_PER_STATEMENT = 500  # of about 25 columns: under PostgreSQL's limit of 65,535 parameters
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
    connection = connections[alias]
    is_one_statement = len(plain) <= _ROWS_PER_STATEMENT and not keyed
    try:
        # one statement is atomic by itself, and a savepoint per enqueue would cost two round trips more
        with nullcontext() if is_one_statement else transaction.atomic(using=alias):
            _write(connection, plain, "")
            _write_unique(connection, keyed)
    except IntegrityError as error:
        if _DUPLICATE_ID.search(str(error)):
            raise DuplicateJob(", ".join(str(job.id) for job in jobs[:3])) from error
        raise
    _announce([job for job in jobs if not job.is_duplicate])
    return list(jobs)


def _announce(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job._state.adding, job._state.db = False, get_settings().database
    if not jobs:
        return
    counts = Counter(job.queue for job in jobs)
    events.emit_on_commit(events.JobsInserted(tuple(sorted(counts.items()))))
    refs = tuple(
        (job.id, job.publish_seq, job.queue, job.priority, job.task) for job in jobs if job.published_at is not None
    )
    if refs:
        events.emit_on_commit(events.JobsPublishable(refs))


def _write(connection: BaseDatabaseWrapper, jobs: Sequence[Job], conflict: str) -> set[UUID]:
    """Insert rows and return the ids that were really inserted; fills in the times that the database gave."""
    written: set[UUID] = set()
    fields = _written_fields(jobs)
    columns = ", ".join(str(field.column) for field in fields)
    statements = ledger()
    for start in range(0, len(jobs), _ROWS_PER_STATEMENT):
        part = {job.id: job for job in jobs[start : start + _ROWS_PER_STATEMENT]}
        rows, params = [], []
        for job in part.values():
            marks = []
            for field in fields:
                value = getattr(job, field.attname)
                if isinstance(value, DatabaseDefault | Now):
                    marks.append(statements.now)  # the only columns with such a default are times
                else:
                    marks.append("%s")
                    params.append(_bound(field, value, connection))
            rows.append(f"({', '.join(marks)})")
        sql = f"INSERT INTO jobs_job ({columns}) VALUES {', '.join(rows)}{conflict} RETURNING id, created_at, due_at"
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            for raw_id, created_at, due_at in cursor.fetchall():
                job = part[raw_id if isinstance(raw_id, UUID) else UUID(raw_id)]
                job.created_at, job.due_at = statements.moment(created_at), statements.moment(due_at)
                if job.published_at is not None:
                    job.published_at = job.created_at
                written.add(job.id)
    return written


def _written_fields(jobs: Sequence[Job]) -> list[Any]:
    """Return the columns in which any of the jobs differs from the database's default; the rest costs nothing."""
    return [
        field
        for field in Job._meta.concrete_fields
        if field.primary_key
        or (field.attname not in _LATER and any(_differs(getattr(job, field.attname), field) for job in jobs))
    ]


def _differs(value: Any, field: Any) -> bool:
    if isinstance(value, DatabaseDefault) or field.default is NOT_PROVIDED:
        return value is not None and not isinstance(value, DatabaseDefault)
    return bool(value != (field.default() if callable(field.default) else field.default))


def _bound(field: Any, value: Any, connection: BaseDatabaseWrapper) -> Any:
    if isinstance(field, JSONField) and value is not None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return field.get_db_prep_save(value, connection)


def _write_unique(connection: BaseDatabaseWrapper, jobs: Sequence[Job]) -> None:
    waiting = _first_of_each_key(jobs)
    for _ in range(_UNIQUE_TRIES):
        if not waiting:
            break
        written = _write(connection, waiting, _CONFLICT)
        refused = [job for job in waiting if job.id not in written]
        holders = {
            job.unique_key: job
            for job in Job.objects.using(connection.alias).filter(
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
