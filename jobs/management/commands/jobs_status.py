"""`manage.py jobs_status`: how the site is, and why a job is not running."""

import json
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import close_old_connections

from jobs import status
from jobs.conf import get_settings
from jobs.management.operator import FAILED, OperatorCommand, found_id
from jobs.management.tables import lines
from jobs.models import Job
from jobs.why import why

CLEAR = "\x1b[H\x1b[2J"
WATCH_SECONDS = 2.0


def seconds(text: str) -> float:
    """Read the pause between two looks.

    Raises: argparse.ArgumentTypeError.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 3600:
        raise ArgumentTypeError(f"{text!r}: give seconds, from 0.1 to 3600")
    return value


class Command(OperatorCommand):
    """Print the status once, or again and again."""

    help = "Show states, queues, workers, scheduler, broker and ledger; or why one job is not running."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs; with --watch a line each time")
        parser.add_argument(
            "--watch", type=seconds, nargs="?", const=WATCH_SECONDS, metavar="SECONDS", help="again and again (2)"
        )
        parser.add_argument("--why", metavar="ID", help="say why this job is not running; the beginning of its id")

    def act(self, **options: Any) -> int | None:
        if not options["watch"]:
            return self._look(options)
        try:
            while True:
                if self.stdout.isatty() and not options["json"]:
                    self.stdout.write(CLEAR, ending="")
                self._look(options)
                self.stdout.flush()  # a program that reads them waits for each
                time.sleep(options["watch"])
                close_old_connections()
        except KeyboardInterrupt:
            return None

    def _look(self, options: dict[str, Any]) -> int | None:
        if options["why"] is None:
            return self._status(options)
        self._why(options)
        return None

    def _status(self, options: dict[str, Any]) -> int | None:
        told = status.read()
        if options["json"]:
            self._say_json(told, options)
        else:
            for line in lines(told):
                self.say(line)
        return None if told["ledger"]["is_up"] else FAILED

    def _why(self, options: dict[str, Any]) -> None:
        job = Job.objects.using(get_settings().database).get(id=found_id(options["why"]))
        reason = why(job)
        if options["json"]:
            told = {"id": job.id, "state": job.state, "code": reason.code, "sentence": reason.sentence}
            self._say_json(told | {"facts": reason.facts}, options)
        else:
            self.say(f"{job.task} {job.id} is {job.state}. {reason.sentence}")

    def _say_json(self, value: Any, options: dict[str, Any]) -> None:
        # not by `say`: JSON has no control characters but the line breaks between its parts
        self.stdout.write(json.dumps(value, cls=DjangoJSONEncoder, indent=None if options["watch"] else 2))
