"""Enqueueing beside the application's own data: all or nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from rq.registry import ScheduledJobRegistry

from jobs.models import Job
from tests.journal import Journal
from tests.rq_holes.conftest import Blow, Start
from tests.rq_holes.ledger import succeeded_once
from tests.support import Processes
from tests.tasks import add

PAID = """
from django.db import connection, transaction
import django_rq
with transaction.atomic():
    connection.cursor().execute("CREATE TABLE paid (id)")
    django_rq.enqueue("tests.rq_holes.plain.note", "nowhere", "receipt")
"""

ROLLED_BACK = """
from contextlib import suppress
from datetime import datetime, timedelta, UTC
from django.db import transaction
import django_rq
from rq import Queue
note, queue = "tests.rq_holes.plain.note", django_rq.get_queue()
with suppress(ZeroDivisionError), transaction.atomic():
    queue.enqueue(note, "nowhere", "honoured")
    queue.enqueue_at(datetime.now(UTC) + timedelta(hours=1), note, "nowhere", "at")
    queue.enqueue_in(timedelta(hours=1), note, "nowhere", "in")
    queue.enqueue_many([Queue.prepare_data(note, ("nowhere", "many"))])
    1 / 0
"""


@pytest.fixture
def blank(redis_client: redis.Redis, processes: Processes, tmp_path: Path) -> Path:
    """An application's database of its own, empty; these processes use it."""
    processes.environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'blank.sqlite3'}"
    return tmp_path / "blank.sqlite3"


def test_django_rq_forgets_the_job_when_it_dies_between_commit_and_send(
    blank: Path, processes: Processes, redis_client: redis.Redis, blow: Blow
) -> None:
    strike = ("django_rq.queues:DjangoRQ.original_enqueue_call", "before", "KILL")
    assert processes.start(*blow.command("manage", strike, False), "shell", "--command", PAID).wait() == -9
    with sqlite3.connect(blank) as database:
        assert database.execute("SELECT count(*) FROM paid").fetchall() == [(0,)]
    assert redis_client.keys("rq:*") == []


def test_django_rq_keeps_later_and_bulk_jobs_of_a_transaction_that_is_rolled_back(
    blank: Path, processes: Processes, redis_client: redis.Redis
) -> None:
    assert processes.manage("shell", "--command", ROLLED_BACK).wait() == 0
    assert redis_client.llen("rq:queue:default") == 1
    assert ScheduledJobRegistry("default", redis_client).get_job_count() == 2


def test_a_process_that_dies_between_commit_and_send_forgets_nothing(ours: Start, journal: Journal) -> None:
    code = f"""
from django.contrib.auth.models import Group
from django.db import transaction
from tests.acceptance.tasks import note
with transaction.atomic():
    Group.objects.create(name="paid")
    note.enqueue({journal.path!r}, "receipt")
"""
    assert ours("shell", "--command", code, failpoint="enqueue.committed=kill").wait() == -9
    assert Group.objects.filter(name="paid").exists()
    assert ours("jobs_worker", "--processes", "1", "--burst").wait(60) == 0
    succeeded_once(journal)


LATER: dict[str, Callable[[], Any]] = {
    "run_after": lambda: add.using(run_after=timezone.now() + timedelta(hours=1)).enqueue(1),
    "due_at": lambda: Job.objects.create(task="tests.tasks.add", args=[1], due_at=timezone.now() + timedelta(hours=1)),
    "due already": lambda: add.using(run_after=timezone.now() - timedelta(hours=1)).enqueue(1),
    "many": lambda: Job.objects.enqueue_many(add, [(number,) for number in range(10)]),
    "bulk_create": lambda: Job.objects.bulk_create([Job(task="tests.tasks.add", args=[n]) for n in range(10)]),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("enqueue", LATER.values(), ids=LATER)
def test_later_and_bulk_jobs_follow_the_transaction(enqueue: Callable[[], Any], redis_client: redis.Redis) -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        enqueue()
        _ = 1 / 0
    assert not Job.objects.exists()
    assert redis_client.keys("rq:*") == []
    with transaction.atomic():
        enqueue()
        assert redis_client.keys("rq:*") == []
    assert Job.objects.count() in (1, 10)
