"""`manage.py jobs_alerts`: Prometheus rules for the objectives of the tasks."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs import objectives
from jobs.definition import registry


class Command(BaseCommand):
    """Write a file of rules to standard output."""

    help = "Write recording rules and burn-rate alerts for the tasks' objectives, as YAML for Prometheus."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--docs", default="docs/", metavar="PREFIX", help="where alerts.md is, for runbook_url (docs/)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(objectives.rules(registry, options["docs"]), ending="")
