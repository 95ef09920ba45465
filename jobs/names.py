"""The form of names of tasks, queues and tags, and the checks of a job's plain columns."""

import re
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from jobs.errors import InvalidJob, shown

NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
HIGH_SUFFIX = "-high"
MIN_PRIORITY, MAX_PRIORITY = -100, 100


def check_name(field: str, value: Any) -> None:
    """Check a name of a task or queue.

    Raises: InvalidJob.
    """
    if not issubclass(type(value), str) or not NAME.match(value):
        raise InvalidJob(field, f"{shown(value)} is not a valid name.", "Use 1 to 128 of A-Z a-z 0-9 _ . -")


def check_queue(field: str, value: Any) -> None:
    """Check the name of a queue.

    Raises: InvalidJob.
    """
    check_name(field, value)
    if str.endswith(value, HIGH_SUFFIX):
        raise InvalidJob(
            field, f"{shown(value)} ends in {HIGH_SUFFIX!r}, which names the upper band of a queue on RQ.",
            "Choose another name; for urgent jobs use priority.",
        )  # fmt: skip


def check_text(field: str, value: Any, limit: int) -> None:
    """Check a free text column of at most `limit` characters.

    Raises: InvalidJob.
    """
    # by the methods of str itself: those of a subclass may say anything
    if not issubclass(type(value), str) or str.__len__(value) > limit or not str.isprintable(value):
        raise InvalidJob(field, f"{shown(value)} is not usable.", f"Pass at most {limit} printable characters.")


def check_int(field: str, value: Any, low: int, high: int) -> None:
    """Check a whole number.

    Raises: InvalidJob.
    """
    if type(value) is bool or not issubclass(type(value), int) or not low <= int.__pos__(value) <= high:
        raise InvalidJob(field, f"{shown(value)} is out of range.", f"Pass a whole number from {low} to {high}.")


def check_moment(field: str, value: Any) -> None:
    """Check a point in time.

    Raises: InvalidJob if it has no time zone.
    """
    if not isinstance(value, datetime):
        raise InvalidJob(field, f"{shown(value)} is not a datetime.", "Pass an aware datetime.")
    try:
        value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidJob(field, f"{shown(value)} lies beyond the calendar.", "Pass a time that UTC has.") from None
    if timezone.is_naive(value):
        raise InvalidJob(field, "has no time zone.", "Pass an aware datetime, as django.utils.timezone.now() gives.")
