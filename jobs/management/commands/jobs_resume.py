"""`manage.py jobs_resume`: let workers take from queues again."""

from argparse import ArgumentParser
from typing import Any

from jobs.lifecycle import operate
from jobs.management.operator import OperatorCommand, add_reason


class Command(OperatorCommand):
    """Resume queues."""

    help = "Let workers take jobs from these queues again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queues", nargs="+", metavar="QUEUE")
        add_reason(parser)
        super().add_arguments(parser)

    def act(self, **options: Any) -> None:
        for name in options["queues"]:
            is_done = operate.resume_queue(name, actor=options["actor"], reason=options["reason"])
            self.say(f"Queue {name} {'is resumed' if is_done else 'was not paused'}.")
