"""What the commands of operators have in common: who acts, what a filter means, and errors that say what to do.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 4 nothing matched.
"""

import argparse
import getpass
import os
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from jobs.errors import FilterError, InvalidJob, NotPermitted, QueueHubError
from jobs.filters import Search, parse
from jobs.filters.values import UNITS
from jobs.lifecycle import operate

FAILED, USAGE, IN_PART, NOTHING = 1, 2, 3, 4
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(s|min|m|h|d|w)\Z")


class OperatorCommand(BaseCommand):
    """A command that acts in somebody's name. Subclasses write `act` and return an exit code or None for 0."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--actor", default="", help="name in the audit log (cli: and your account); a user's permissions hold"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        options["actor"] = acting(options.get("actor") or account())
        try:
            code = self.act(**options)
        except QueueHubError as error:
            is_usage = isinstance(error, FilterError | InvalidJob | NotPermitted)
            raise CommandError(str(error), returncode=USAGE if is_usage else FAILED) from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The ledger does not answer: {str(error).strip()}", returncode=FAILED) from None
        if code:
            raise SystemExit(code)

    def act(self, **options: Any) -> int | None:
        """Do what the command does."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Write a line to standard output."""
        self.stdout.write(text)


def acting(name: str) -> operate.Actor:
    """Return the site's user of this name, whose permissions are checked then, or the name itself."""
    if not apps.is_installed("django.contrib.auth"):
        return name
    users = get_user_model()._default_manager
    return users.filter(**{get_user_model().USERNAME_FIELD: name}).first() or name


def account() -> str:
    """Return the actor that stands for whoever runs a command: "cli:" and the name of the account."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"cli:{os.getuid()}"


def add_reason(parser: ArgumentParser) -> None:
    """Add the option that the audit log keeps."""
    parser.add_argument("--reason", default="", help="why; kept in the audit log")


def duration(text: str) -> timedelta:
    """Read a duration as an option: "90s", "5m", "2h", "30d".

    Raises: argparse.ArgumentTypeError.
    """
    found = _DURATION.match(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: write 30s, 5m, 2h, 30d or 1w")
    return timedelta(seconds=float(found[1]) * UNITS[found[2]])


def checked(text: str) -> None:
    """Check a filter, and show where it is wrong.

    Raises: CommandError.
    """
    try:
        Search(parse(text), actor="cli")
    except FilterError as error:
        pointer = f"\n  {text}\n  {' ' * error.start}{'^' * max(1, error.end - error.start)}"
        shown = pointer if text.isprintable() and len(text) <= 200 else ""
        raise CommandError(f"{error}{shown}", returncode=USAGE) from None


def found_ids(texts: Sequence[str]) -> list[UUID]:
    """Return the ids of jobs that are named by their ids or the beginnings of these.

    Raises: CommandError for one that names no job, or several.
    """
    return [found_id(text) for text in texts]


def found_id(text: str) -> UUID:
    """Return the id of the one job whose id begins so.

    Raises: CommandError.
    """
    checked(f"id:{text}")
    jobs = Search(parse(f"id:{text}"), actor="cli").page(limit=3).jobs
    if not jobs:
        raise CommandError(f"There is no job {text}.", returncode=NOTHING)
    if len(jobs) > 1:
        others = ", ".join(str(job.id) for job in jobs)
        raise CommandError(f"{text} is the beginning of several ids: {others} …", returncode=USAGE)
    return jobs[0].id
