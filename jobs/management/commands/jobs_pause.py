"""`manage.py jobs_pause`: let no worker take from queues."""

from argparse import ArgumentParser
from difflib import get_close_matches
from typing import Any

from jobs.filters.known import queue_names
from jobs.lifecycle import operate
from jobs.management.operator import OperatorCommand, add_reason


class Command(OperatorCommand):
    """Pause queues."""

    help = "Let no worker take jobs from these queues until jobs_resume. What runs goes on; new jobs are accepted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queues", nargs="+", metavar="QUEUE")
        add_reason(parser)
        super().add_arguments(parser)

    def act(self, **options: Any) -> None:
        known = queue_names()
        for name in options["queues"]:
            is_done = operate.pause_queue(name, actor=options["actor"], reason=options["reason"])
            self.say(f"Queue {name} {'is paused' if is_done else 'was paused already'}.")
            if name not in known and is_done:
                close = get_close_matches(name, known, n=1)
                meant = f" Did you mean {close[0]}? Then: manage.py jobs_resume {name}" if close else ""
                self.stderr.write(f"Nobody has used a queue {name} yet.{meant}")
