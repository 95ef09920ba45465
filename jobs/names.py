"""The form of names of tasks, queues and tags, and the checks of a job's plain columns."""

import re
from datetime import datetime
from typing import Any

from django.utils import timezone

from jobs.errors import InvalidJob

NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
HIGH_SUFFIX = "-high"
MIN_PRIORITY, MAX_PRIORITY = -100, 100


def check_name(field: str, value: Any) -> None:
    """Check a name of a task or queue.

    Raises: InvalidJob.
    """
    if not isinstance(value, str) or not NAME.match(value):
        raise InvalidJob(field, f"{value!r:.160} is not a valid name.", "Use 1 to 128 of A-Z a-z 0-9 _ . -")


def check_queue(field: str, value: Any) -> None:
    """Check the name of a queue.

    Raises: InvalidJob.
    """
    check_name(field, value)
    if value.endswith(HIGH_SUFFIX):
        raise InvalidJob(
            field, f"{value!r:.160} ends in {HIGH_SUFFIX!r}, which names the upper band of a queue on RQ.",
            "Choose another name; for urgent jobs use priority.",
        )  # fmt: skip


def check_text(field: str, value: Any, limit: int) -> None:
    """Check a free text column of at most `limit` characters.

    Raises: InvalidJob.
    """
    if not isinstance(value, str) or len(value) > limit or "\x00" in value or not value.isprintable():
        raise InvalidJob(field, f"{value!r:.160} is not usable.", f"Pass at most {limit} printable characters.")


def check_int(field: str, value: Any, low: int, high: int) -> None:
    """Check a whole number.

    Raises: InvalidJob.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidJob(field, f"{value!r:.160} is out of range.", f"Pass a whole number from {low} to {high}.")


def check_moment(field: str, value: Any) -> None:
    """Check a point in time.

    Raises: InvalidJob if it has no time zone.
    """
    if not isinstance(value, datetime):
        raise InvalidJob(field, f"{value!r:.160} is not a datetime.", "Pass an aware datetime.")
    if timezone.is_naive(value):
        raise InvalidJob(field, "has no time zone.", "Pass an aware datetime, as django.utils.timezone.now() gives.")
