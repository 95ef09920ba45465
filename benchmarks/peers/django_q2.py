"""django-q2 with its ORM broker on PostgreSQL."""

import os
import sys
from collections.abc import Sequence

import django

SETTINGS = os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.django_settings"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_q.brokers import get_broker  # noqa: E402
from django_q.models import OrmQ, Task  # noqa: E402
from django_q.tasks import async_task  # noqa: E402

from benchmarks.adapter import BATCH, Call, Ledger  # noqa: E402

GROW = """
INSERT INTO django_q_task (id, name, func, args, kwargs, started, stopped, success, attempt_count)
SELECT
    replace(gen_random_uuid()::text, '-', ''), 'grown', 'benchmarks.work.noop', 'gAQpLg==', 'gAR9lC4=', now(), now(),
    true, 1
FROM generate_series(1, %s)
"""


class Collector:
    """Stands in for the broker, and keeps the packages that it is given."""

    list_key = settings.Q_CLUSTER["name"]

    def __init__(self) -> None:
        self.packages: list[str] = []

    def enqueue(self, package: str) -> int:
        """Keep one."""
        self.packages.append(package)
        return len(self.packages)


class DjangoQ2(Ledger):
    piles_up_by_hand = True
    packages = ("django-q2", "Django", "psycopg")
    bulk = "async_task, job by job, 1,000 in one transaction: it has no other way"

    def __init__(self) -> None:
        self.broker = get_broker()

    @property
    def configuration(self) -> str:  # type: ignore[override] # says what the settings are
        shown = {name: value for name, value in settings.Q_CLUSTER.items() if name not in ("name", "workers")}
        return f"`qcluster` with workers=N; {', '.join(f'{name}={value}' for name, value in shown.items())}"

    def prepare(self) -> None:
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE django_q_ormq, django_q_task")

    def enqueue(self, task: str, call: Call) -> None:
        async_task(f"benchmarks.work.{task}", *call, broker=self.broker)

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        with transaction.atomic():
            for call in calls:
                self.enqueue(task, call)

    def is_drained(self) -> bool:
        return not OrmQ.objects.exists()  # rows leave it when they are acknowledged

    def succeeded_count(self) -> int:
        return Task.objects.filter(success=True).count()

    def grow(self, count: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(GROW, [count])

    def pile_up(self, count: int) -> None:
        for start in range(0, count, BATCH):
            collector = Collector()
            for _ in range(min(BATCH, count - start)):
                async_task("benchmarks.work.noop", broker=collector)
            now = timezone.now()
            OrmQ.objects.bulk_create(
                OrmQ(key=Collector.list_key, payload=package, lock=now) for package in collector.packages
            )

    def analyze(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def workers(self, process_count: int) -> list[list[str]]:
        command = [sys.executable, "-m", "django", "qcluster", "--settings", SETTINGS]
        return [["env", f"BENCHMARK_WORKERS={process_count}", *command]]


def adapter(variant: str) -> Ledger:
    """Return the adapter."""
    return DjangoQ2()
