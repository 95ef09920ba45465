"""QueueHub by its public API and commands, with the settings that ship."""

import secrets
import sys
from collections.abc import Sequence

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from benchmarks import tasks  # noqa: E402
from benchmarks.adapter import Call, Ledger  # noqa: E402
from jobs.models import Job  # noqa: E402

GROWN_AT_ONCE = 100_000
GROW_JOBS = """
INSERT INTO jobs_job (task, state, attempt, finished_at, correlation_id)
WITH RECURSIVE numbers(number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM numbers WHERE number < %s)
SELECT 'benchmarks.tasks.noop', 'succeeded', 1, CURRENT_TIMESTAMP, %s FROM numbers
"""
GROW_ATTEMPTS = """
INSERT INTO jobs_attempt (job_id, number, outcome, claim, worker, queue, started_at, finished_at)
SELECT id, 1, 'success', 1, 'grown', 'default', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP
FROM jobs_job WHERE correlation_id = %s
"""


class QueueHub(Ledger):
    configuration = (
        "QUEUEHUB_ENV=production, QUEUEHUB={}; `jobs_worker --processes N` (with its pool parent) and `jobs_scheduler`;"
        " on SQLite WAL and synchronous=FULL"
    )
    bulk = "Job.objects.enqueue_many, 1,000 jobs a call"
    packages = ("Django", "redis", "hiredis", "psycopg")

    def prepare(self) -> None:
        tables = [name for name in connection.introspection.table_names() if name.startswith("jobs_")]
        if tables:
            connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
        else:
            call_command("migrate", verbosity=0)

    def enqueue(self, task: str, call: Call) -> None:
        getattr(tasks, task).enqueue(*call)

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        Job.objects.enqueue_many(getattr(tasks, task), calls)

    def is_drained(self) -> bool:
        # each of them in the order of a partial index, so that the question costs the ledger next to nothing
        return not (
            Job.objects.queued().order_by("published_at").exists()
            or Job.objects.running().order_by("worker").exists()
            or Job.objects.retrying().order_by("due_at").exists()
        )

    def succeeded_count(self) -> int:
        return Job.objects.succeeded().count()

    def grow(self, count: int) -> None:
        for start in range(0, count, GROWN_AT_ONCE):
            batch = secrets.token_hex(4)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(GROW_JOBS, [min(GROWN_AT_ONCE, count - start), batch])
                cursor.execute(GROW_ATTEMPTS, [batch])

    def analyze(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def workers(self, process_count: int) -> list[list[str]]:
        return [[sys.executable, "manage.py", "jobs_worker", "--processes", str(process_count)]]

    def companions(self) -> list[list[str]]:
        return [[sys.executable, "manage.py", "jobs_scheduler"]]


def adapter(variant: str) -> Ledger:
    """Return the adapter."""
    return QueueHub()
