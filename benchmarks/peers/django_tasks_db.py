"""django-tasks' database backend on PostgreSQL."""

import os
import sys
from collections.abc import Sequence

import django

SETTINGS = os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.django_settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django_tasks import task  # noqa: E402
from django_tasks_db.models import DBTaskResult  # noqa: E402

from benchmarks import work as functions  # noqa: E402
from benchmarks.adapter import Call, Ledger  # noqa: E402

TABLE = DBTaskResult._meta.db_table
GROW = f"""
INSERT INTO {TABLE} (
    id, status, enqueued_at, started_at, finished_at, args_kwargs, priority, task_path, worker_ids, queue_name,
    backend_name, run_after, return_value, exception_class_path, traceback
)
SELECT
    gen_random_uuid(), %s, now(), %s, %s, '{{"args": [], "kwargs": {{}}}}', 0, 'benchmarks.peers.django_tasks_db.noop',
    '[]', 'default', 'default', '9999-01-01 00:00:00+00', NULL, '', ''
FROM generate_series(1, %s)
"""


@task
def noop() -> None:
    """See work.noop()."""


@task
def work(milliseconds: float) -> None:
    """See work.work()."""
    functions.work(milliseconds)


@task
def stamp(path: str, sent_nanoseconds: int) -> None:
    """See work.stamp()."""
    functions.stamp(path, sent_nanoseconds)


@task
def mark(path: str, key: int, milliseconds: float) -> None:
    """See work.mark()."""
    functions.mark(path, key, milliseconds)


TASKS = {"noop": noop, "work": work, "stamp": stamp, "mark": mark}


class DjangoTasksDB(Ledger):
    piles_up_by_hand = True
    configuration = (
        "`db_worker --interval 0.05 --no-startup-delay`, one command a process; psycopg, CONN_MAX_AGE=None, autocommit"
    )
    bulk = "enqueue, job by job, 1,000 in one transaction: it has no other way"
    packages = ("django-tasks-db", "django-tasks", "Django", "psycopg")

    def prepare(self) -> None:
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {TABLE}")

    def enqueue(self, task: str, call: Call) -> None:
        TASKS[task].enqueue(*call)

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        with transaction.atomic():
            for call in calls:
                TASKS[task].enqueue(*call)

    def is_drained(self) -> bool:
        # the first has a partial index; the second has none, and is asked at the end only
        rows = DBTaskResult.objects.order_by()
        return not rows.filter(status="READY").exists() and not rows.filter(status="RUNNING").exists()

    def succeeded_count(self) -> int:
        return DBTaskResult.objects.filter(status="SUCCESSFUL").count()

    def grow(self, count: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            (now,) = cursor.fetchone()
            cursor.execute(GROW, ["SUCCESSFUL", now, now, count])

    def pile_up(self, count: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(GROW, ["READY", None, None, count])

    def analyze(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def workers(self, process_count: int) -> list[list[str]]:
        command = [sys.executable, "-m", "django", "db_worker", "--settings", SETTINGS]
        return [[*command, "--interval", "0.05", "--no-startup-delay", "--verbosity", "0"]] * process_count


def adapter(variant: str) -> Ledger:
    """Return the adapter."""
    return DjangoTasksDB()
