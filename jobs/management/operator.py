"""What the commands of operators have in common: who acts, what a filter means, and errors that say what to do.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 4 nothing matched.
"""

import argparse
import getpass
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from jobs.errors import FilterError, InvalidJob, NotPermitted, QueueHubError
from jobs.filters import Search, parse
from jobs.filters.values import MOST_SECONDS, UNITS, is_id
from jobs.lifecycle import operate
from jobs.log_lines import one_line
from jobs.status import trouble

FAILED, USAGE, IN_PART, NOTHING = 1, 2, 3, 4
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(s|min|m|h|d|w)\Z")


class OperatorCommand(BaseCommand):
    """A command that acts in somebody's name. Subclasses write `act` and return an exit code or None for 0."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--actor", default="", help="name in the audit log (cli: and your account); a user's permissions hold"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        code: int | None = FAILED  # should the reader of a pipe go away in the middle
        try:
            with explained():
                _check_words(options)
                if "actor" in options:  # whoever only looks is nobody, so that a look works without the users' table
                    options["actor"] = acting(options["actor"] or account())
                code = self.act(**options)
        except BrokenPipeError:
            pass
        except OSError as error:  # such as a full disk behind `>`
            raise CommandError(f"Cannot write: {error.strerror or error}", returncode=FAILED) from None
        finally:
            self._flush()
        if code:
            raise SystemExit(code)

    def act(self, **options: Any) -> int | None:
        """Do what the command does."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Write a line to standard output. What others wrote in it can neither forge a line nor move the cursor."""
        self.stdout.write(one_line(text))

    def is_confirmed(self, question: str, word: str) -> bool:
        """Ask whoever sits at the terminal to type the word; a script must give --yes.

        Raises: CommandError where nobody can be asked.
        """
        if not sys.stdin.isatty():
            raise CommandError(f"{question}. Add --yes if that is what you want.", returncode=USAGE)
        # not on standard output, which may be a pipe
        self.stderr.write(f"{question}. Type {word} to go on: ", style_func=str, ending="")
        self.stderr.flush()
        try:
            is_meant = input().strip() == word
        except (EOFError, KeyboardInterrupt):
            self.stderr.write("")
            is_meant = False
        if not is_meant:
            self.say("Nothing was changed.")
        return is_meant

    def _flush(self) -> None:
        try:
            self.stdout.flush()
        except OSError:  # whoever read has gone, as `head` does; Python shall not complain of it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def explained() -> Iterator[None]:
    """Turn what stands in the way of a command into one line and an exit code.

    Raises: CommandError.
    """
    try:
        yield
    except QueueHubError as error:
        is_usage = isinstance(error, FilterError | InvalidJob | NotPermitted)
        raise CommandError(str(error), returncode=USAGE if is_usage else FAILED) from None
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(trouble(error), returncode=FAILED) from None
    except KeyboardInterrupt:
        raise CommandError("Stopped by Ctrl-C.", returncode=FAILED) from None


def _check_words(options: Mapping[str, Any]) -> None:
    """Check that the words are text, which the ledger can keep.

    Raises: CommandError.
    """
    for value in options.values():
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and not word.isascii():
                try:
                    word.encode()
                except UnicodeEncodeError:
                    raise CommandError(f"{one_line(word)} is not UTF-8.", returncode=USAGE) from None


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

    Raises: argparse.ArgumentTypeError for another text, and above a hundred years.
    """
    found = _DURATION.match(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: write 30s, 5m, 2h, 30d or 1w")
    seconds = float(found[1]) * UNITS[found[2]]
    if seconds > MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r}: that is more than a hundred years")
    return timedelta(seconds=seconds)


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
    if not is_id(text):
        problem = f"{one_line(text) or 'An empty text'} is not the beginning of an id."
        raise CommandError(f"{problem} An id has the digits 0-9 and a-f.", returncode=USAGE)
    jobs = Search(parse(f"id:{text}"), actor="cli").page(limit=3).jobs
    if not jobs:
        raise CommandError(f"There is no job {text}.", returncode=NOTHING)
    if len(jobs) > 1:
        others = ", ".join(str(job.id) for job in jobs)
        raise CommandError(f"{text} is the beginning of several ids: {others} …", returncode=USAGE)
    return jobs[0].id
