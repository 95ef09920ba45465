"""Run workers."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.errors import InvalidJob
from jobs.names import check_queue
from jobs.worker.options import WorkerOptions
from jobs.worker.pool import Pool


class Command(BaseCommand):
    """Start a pool of workers in the foreground; SIGTERM or Ctrl-C ends it in good order."""

    help = "Run jobs. Without queues, all queues are served."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queues", nargs="*", metavar="queue", help="serve only these, the first first")
        parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="worker processes (cores)")
        parser.add_argument("--threads", type=int, default=1, help="slots for sync tasks per process (1)")
        parser.add_argument("--coroutines", type=int, default=100, help="slots for async tasks per process (100)")
        parser.add_argument("--burst", action="store_true", help="end when the ledger has no due job in the queues")
        parser.add_argument("--max-jobs", type=int, default=0, help="replace a process after so many runs (0: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, least in {"processes": 1, "threads": 1, "coroutines": 0, "max_jobs": 0}.items():
            if options[name] < least:
                raise CommandError(f"--{name.replace('_', '-')} must be at least {least}", returncode=2)
        try:
            for queue in options["queues"]:
                check_queue("queue", queue)
        except InvalidJob as error:
            raise CommandError(str(error), returncode=2) from error
        pool = Pool(
            WorkerOptions(
                queues=tuple(options["queues"]),
                process_count=options["processes"],
                thread_count=options["threads"],
                coroutine_count=options["coroutines"],
                is_burst=options["burst"],
                max_jobs=options["max_jobs"],
            )
        )
        if self.stdout.isatty():  # where nobody has set LOGGING, a pool in order would say nothing at all
            queues = ", ".join(options["queues"]) or "all queues"
            self.stdout.write(f"Workers: {options['processes']}, for {queues}. Ctrl-C stops them in good order.")
        sys.exit(pool.run())
