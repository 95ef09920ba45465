"""`manage.py jobs_sample`: fill an empty ledger with made-up history."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from demo.sample import Sample
from jobs.conf import get_settings
from jobs.management.operator import USAGE, explained
from jobs.management.progress import Progress
from jobs.models import Job

MOST_JOBS = 100_000_000


class Command(BaseCommand):
    """Parse the options, refuse a ledger that is in use, show the progress."""

    help = (
        "Fill an empty ledger with made-up jobs of the last week: 1 in 20 dead, in 300 kinds of failure; 2 in 20"
        " queued; 200 tasks, 20 queues. For trying pages at scale; take a database of its own, for no worker knows"
        " these tasks."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jobs", type=int, default=1_000_000, help="default: 1,000,000")
        parser.add_argument("--attempts", type=int, help="default: 1.2 for each job")
        parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same rows (1)")

    def handle(self, *_: Any, jobs: int, attempts: int | None, seed: int, **__: Any) -> None:
        if not 1 <= jobs <= MOST_JOBS:
            raise CommandError(f"--jobs must be from 1 to {MOST_JOBS:,}", returncode=USAGE)
        with explained():
            self._write(jobs, jobs * 6 // 5 if attempts is None else attempts, seed)

    def _write(self, jobs: int, attempts: int, seed: int) -> None:
        database = get_settings().database
        if Job.objects.using(database).exists():
            raise CommandError("The ledger has jobs already. Give an empty database, as in DATABASE_URL=… manage.py …")
        try:
            sample = Sample(jobs, attempts, seed)
        except ValueError as error:
            raise CommandError(f"{error}. Choose --attempts in this range.", returncode=USAGE) from None
        began = time.monotonic()
        with Progress(self.stderr, "written") as line:
            sample.write(database, lambda count: line.tell(count, jobs))
        if connections[database].vendor == "postgresql":
            with connections[database].cursor() as cursor:
                cursor.execute("ANALYZE")
        self.stdout.write(f"{jobs:,} jobs in {time.monotonic() - began:.0f} s")
