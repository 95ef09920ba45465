"""`manage.py jobs_scheduler`: run a scheduler until SIGTERM or SIGINT."""

import signal
from threading import Event
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from jobs.scheduler import Scheduler


class Command(BaseCommand):
    """Run a scheduler; of any number, one leads."""

    help = "Promote, publish, fire schedules, repair. Any number may run; one leads, another takes over."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()

        def end(number: int, frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        if self.stdout.isatty():  # where nobody has set LOGGING, a scheduler in order would say nothing at all
            self.stdout.write("A scheduler is at work, or waits until it leads. Ctrl-C stops it in good order.")
        Scheduler().run(stop)
