"""Every way to enqueue commits and rolls back with the caller's transaction, in SQL and on Redis."""

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.db import connection, transaction

from jobs.models import Job, SchedulerLease
from tests.acceptance import tasks
from tests.acceptance.ledger import all_finished, traces
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

Start = Callable[..., Running]
NOTE = tasks.note.module_path


@async_to_sync
async def awaited(enqueueing: Awaitable[Any]) -> Any:
    """Wait for one of the asynchronous ways, as a synchronous view does."""
    return await enqueueing


def plain_sql(path: str, key: str) -> None:
    """Insert a row as a program does that knows nothing of Django."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_job (task, args) VALUES (%s, %s)", [NOTE, json.dumps([path, key])])


WAYS: dict[str, Callable[[str, str], Any]] = {
    "task.enqueue": tasks.note.enqueue,
    "task.aenqueue": lambda path, key: awaited(tasks.note.aenqueue(path, key)),
    "task.using": lambda path, key: tasks.note.using(priority=5, unique_key=key).enqueue(path, key),
    "objects.enqueue": lambda path, key: Job.objects.enqueue(tasks.note, path, key),
    "objects.aenqueue": lambda path, key: awaited(Job.objects.aenqueue(NOTE, path, key)),
    "objects.enqueue_many": lambda path, key: Job.objects.enqueue_many(tasks.note, [(path, key)]),
    "objects.aenqueue_many": lambda path, key: awaited(
        Job.objects.aenqueue_many(tasks.note, [{"path": path, "key": key}])
    ),
    "objects.create": lambda path, key: Job.objects.create(task=NOTE, args=[path, key]),
    "objects.acreate": lambda path, key: awaited(Job.objects.acreate(task=NOTE, args=[path, key])),
    "objects.bulk_create": lambda path, key: Job.objects.bulk_create([Job(task=NOTE, args=[path, key])]),
    "job.save": lambda path, key: Job(task=NOTE, kwargs={"path": path, "key": key}).save(),
    "plain SQL": plain_sql,
}


class RolledBackError(Exception):
    """Ends a transaction."""


def roll_back(way: str, path: str, key: str) -> None:
    """Enqueue in a transaction, or in a savepoint of the present one, that is rolled back."""
    with suppress(RolledBackError), transaction.atomic():
        WAYS[way](path, key)
        assert Job.objects.filter(task=NOTE).exists()
        raise RolledBackError


def keys() -> dict[str, str]:
    """Return a key for each way: one word, as the journal wants it."""
    return {way: way.replace(" ", "-") for way in WAYS}


def test_a_rollback_leaves_no_trace(
    pool: Start, journal: Journal, redis_client: redis.Redis, figures: Figures
) -> None:
    for way, key in keys().items():
        roll_back(way, journal.path, key)
        assert not Job.objects.exists(), way
        assert traces(redis_client) == [], way
    # and with workers that look for work all the time
    pool("a")
    rollback_count = 0
    for _ in range(20):
        for way, key in keys().items():
            roll_back(way, journal.path, key)
            rollback_count += 1
    tasks.note.enqueue(journal.path, "sentinel")
    all_finished(30, succeeded=1)
    assert journal.runs() == {"sentinel": 1}
    assert traces(redis_client) == [b"rq:queue:default"] or traces(redis_client) == []
    figures.add(ways=len(WAYS), rollbacks=rollback_count + len(WAYS))


def test_a_rolled_back_savepoint_leaves_no_trace_and_its_neighbours_run(
    pool: Start, journal: Journal, redis_client: redis.Redis, figures: Figures
) -> None:
    for way, key in keys().items():
        with transaction.atomic():
            WAYS[way](journal.path, f"before-{key}")
            with transaction.atomic():
                WAYS[way](journal.path, f"kept-{key}")
            roll_back(way, journal.path, f"inner-{key}")
            WAYS[way](journal.path, f"after-{key}")
    wanted = {f"{part}-{key}" for part in ("before", "kept", "after") for key in keys().values()}
    assert Job.objects.count() == len(wanted)
    ledger_ids = {str(job_id) for job_id in Job.objects.values_list("id", flat=True)}
    messages = [key.decode() for key in traces(redis_client) if key.startswith(b"rq:job:")]
    assert {message.removeprefix("rq:job:").rpartition("-")[0] for message in messages} <= ledger_ids
    # all but the rows that plain SQL wrote have a message
    assert len(messages) == len(wanted) - 3
    pool("a")
    all_finished(60, succeeded=len(wanted))
    assert set(journal.runs()) == wanted
    assert set(journal.runs().values()) == {1}
    figures.add(ways=len(WAYS), jobs=len(wanted), messages=len(messages))


@pytest.mark.parametrize("has_scheduler", [True, False], ids=["scheduler", "no scheduler"])
def test_a_row_by_plain_sql_insert_runs(
    pool: Start, scheduler: Start, journal: Journal, figures: Figures, has_scheduler: bool
) -> None:
    pool("a")
    if has_scheduler:
        scheduler("a")
        eventually(lambda: SchedulerLease.objects.exclude(holder="").exists(), 30)
    begun_at = time.monotonic()
    plain_sql(journal.path, "plain")
    all_finished(30, succeeded=1)
    seconds = time.monotonic() - begun_at
    assert journal.runs() == {"plain": 1}
    figures.add(seconds=seconds)
    assert seconds <= 5
