"""`manage.py demo`: the whole of QueueHub at work on this machine's Python files."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.processes import GaveUp
from demo.supervisor import CannotStart, Stopped, Supervisor, free_port
from queuehub.embedded import EmbeddedServerError

USAGE = 2


class Command(BaseCommand):
    """Parse the options, run the supervisor, turn what stands in the way into one line."""

    help = "Run a server, workers, a scheduler and the pages, with real work to do; Ctrl-C stops everything."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="stop when no job is pending; print JSON")
        parser.add_argument("--port", help="default: PORT or 8000; with --once any free one")

    def handle(self, *_: Any, once: bool, port: str | None, **__: Any) -> None:
        wanted = port or (None if once else os.environ.get("PORT") or "8000")
        supervisor = Supervisor(free_port() if wanted is None else parse_port(wanted), sys.stdout)
        try:
            code = supervisor.run_once() if once else supervisor.run()
        except (CannotStart, EmbeddedServerError) as error:
            raise CommandError(str(error), returncode=USAGE) from None
        except GaveUp as error:
            raise CommandError(str(error)) from None
        except Stopped:  # a second signal, while the first one's orderly end went on
            code = 1
        if code:
            sys.exit(code)


def parse_port(text: str) -> int:
    """Return the port.

    Raises: CommandError.
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CommandError(f"port {text!r}: give a number from 1 to 65535, as in PORT=8001", returncode=USAGE)
    return int(text)
