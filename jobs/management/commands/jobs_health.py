"""`manage.py jobs_health`: whether the workers or the scheduler of this machine or container are alive, or ready."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.conf import get_settings
from jobs.errors import TransportUnavailable
from jobs.heartbeat_file import ROLES, Sign, signs
from jobs.transports import get_transport

MAX_AGE_SECONDS = 60.0


class Command(BaseCommand):
    """Say it in a sentence, and in the exit code."""

    help = (
        "Exit with 0 if every pool (--role worker) or scheduler here renews its file in HEARTBEAT_DIRECTORY, else with"
        " 1. Asks no server, except Redis with --ready."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--role", choices=ROLES, required=True, help="what must be alive here")
        parser.add_argument("--max-age", type=float, default=MAX_AGE_SECONDS, metavar="SECONDS", help="default: 60")
        parser.add_argument("--pid", type=int, help="only this process, such as systemd's $MAINPID")
        parser.add_argument(
            "--ready", action="store_true", help="also fail while it does not reach the ledger, or Redis is away"
        )

    def handle(self, *_: Any, role: str, max_age: float, pid: int | None, ready: bool, **__: Any) -> None:
        if not max_age > 0:
            raise CommandError("--max-age must be more than 0", returncode=2)
        if not get_settings().heartbeat_directory:
            raise CommandError('Set QUEUEHUB["HEARTBEAT_DIRECTORY"], for pools and schedulers too.', returncode=2)
        trouble = _trouble(role, max_age, pid, ready)
        self.stdout.write(trouble or f"The {role} is {'ready' if ready else 'alive'}.")
        if trouble:
            sys.exit(1)


def _trouble(role: str, max_age: float, pid: int | None, is_readiness_asked: bool) -> str:
    """Return what is wrong, as a sentence; empty if nothing is. One look at the files serves both questions."""
    directory = get_settings().heartbeat_directory
    try:
        found = [sign for sign in signs(role) if pid in (None, sign.pid)]
    except OSError as error:
        return f"Cannot read {directory}: {error.strerror}."
    if not found:
        return f"No {role} that lives here has a file in {directory}."
    oldest = max(found, key=lambda sign: sign.age_seconds)
    if oldest.age_seconds > max_age:
        return f"The {role} with pid {oldest.pid} gave its last sign of life {oldest.age_seconds:.0f} s ago."
    return _why_not_ready(role, found) if is_readiness_asked else ""


def _why_not_ready(role: str, found: list[Sign]) -> str:
    mute = [sign for sign in found if not sign.is_beating]
    if mute:
        return f"The {role} with pid {mute[0].pid} does not reach the ledger."
    try:
        get_transport().ping()
    except TransportUnavailable as error:
        return f"The broker does not answer: {str(error).strip()}."
    return ""
