"""`manage.py jobs_retry`: run dead letters again."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from jobs.management.bulk import BulkCommand
from jobs.management.operator import duration


class Command(BulkCommand):
    """Retry jobs by id or by filter."""

    help = "Retry dead jobs, and by id cancelled ones: fresh attempts, the history kept."
    verb, done, states = "retry", "retried", ("dead",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--in", dest="delay", type=duration, metavar="10m", help="run them later")

    def verb_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        delay = options["delay"]
        return {"run_after": (timezone.now() + delay).isoformat()} if delay else {}
