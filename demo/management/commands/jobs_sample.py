"""`manage.py jobs_sample`: fill an empty ledger with made-up history."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from demo.sample import Sample
from jobs.conf import get_settings
from jobs.models import Job


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
        database = get_settings().database
        if Job.objects.using(database).exists():
            raise CommandError("The ledger has jobs already. Give an empty database, as in DATABASE_URL=… manage.py …")
        try:
            sample = Sample(jobs, jobs * 6 // 5 if attempts is None else attempts, seed)
        except ValueError as error:
            raise CommandError(f"{error}. Choose --attempts in this range.") from None
        began = time.monotonic()
        sample.write(database, self._tell if self.stderr.isatty() else lambda count: None)
        if connections[database].vendor == "postgresql":
            with connections[database].cursor() as cursor:
                cursor.execute("ANALYZE")
        self.stdout.write(f"{jobs:,} jobs in {time.monotonic() - began:.0f} s")

    def _tell(self, count: int) -> None:
        self.stderr.write(f"\r{count:,} jobs", ending="")
        self.stderr.flush()
