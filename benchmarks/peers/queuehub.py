"""QueueHub by its public API and commands, with the settings that ship."""

import sys
from collections.abc import Sequence

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connection  # noqa: E402

from benchmarks import tasks  # noqa: E402
from benchmarks.adapter import Adapter, Call  # noqa: E402
from jobs.models import Job  # noqa: E402


class QueueHub(Adapter):
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

    def workers(self, process_count: int) -> list[list[str]]:
        return [[sys.executable, "manage.py", "jobs_worker", "--processes", str(process_count)]]

    def companions(self) -> list[list[str]]:
        return [[sys.executable, "manage.py", "jobs_scheduler"]]


def adapter(variant: str) -> Adapter:
    """Return the adapter."""
    return QueueHub()
