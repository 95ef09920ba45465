"""Values of terms as what they mean: moments, durations, ids, JSON."""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from jobs.errors import FilterError
from jobs.filters.terms import Value

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
MOMENTS = "Write -2h (s, m, h, d, w), today, yesterday, 2026-11-23 or 2026-11-23T10:30."
DURATIONS = "Write 500ms, 30s, 5m, 2h or 1d."
MOST_SECONDS = 100 * 366 * 86400.0

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|min|m|h|d|w)\Z")
_ID = re.compile(r"[0-9a-fA-F]+(?:-[0-9a-fA-F]*)*\Z")
_DAYS = {"today": 0, "yesterday": 1}
HEX_DIGITS_OF_ID = 32


def duration(value: Value) -> timedelta:
    """Return the duration that a value names.

    Raises: FilterError.
    """
    found = _DURATION.match(value.text)
    seconds = float(found[1]) * UNITS[found[2]] if found else math.inf
    if seconds > MOST_SECONDS:
        raise fault(value, f"{value.text} is not a duration.", DURATIONS)
    return timedelta(seconds=seconds)


def span(value: Value, now: datetime) -> tuple[datetime, datetime]:
    """Return where the moment or the day that a value names begins and ends; a moment ends where it begins.

    Days, and times without a zone, are those of the current time zone.

    Raises: FilterError.
    """
    text = value.text
    if is_relative(text) and text[0] == "-":
        at = now - duration(Value(text[1:], value.start + 1, value.end))
        return at, at
    try:
        day = timezone.localtime(now).date() - timedelta(days=_DAYS[text]) if text in _DAYS else parse_date(text)
        if day is not None:
            begins = datetime.combine(day, time.min, timezone.get_current_timezone())
            return begins, begins + timedelta(days=1)
        at_given = parse_datetime(text)
        if at_given is not None:
            at = at_given if timezone.is_aware(at_given) else timezone.make_aware(at_given)
            at = at.astimezone(UTC)
            return at, at
    except (ValueError, OverflowError):  # a day that the calendar does not have
        pass
    raise fault(value, f"{text} is not a time.", _nearest_moment(text))


def is_relative(text: str) -> bool:
    """Say whether a moment is counted from now, so that it means something else tomorrow."""
    return text in _DAYS or bool(text.startswith("-") and _DURATION.match(text[1:]))


def _nearest_moment(text: str) -> str:
    return f"For {text} ago write -{text}." if _DURATION.match(text) else MOMENTS


def is_id(text: str) -> bool:
    """Say whether a text can be the beginning of a job's id."""
    return bool(_ID.match(text)) and len(text.replace("-", "")) <= HEX_DIGITS_OF_ID


def id_range(text: str) -> tuple[UUID, UUID]:
    """Return the first and the last id that begin so, for a text of which `is_id` holds."""
    digits = text.replace("-", "")
    return (
        UUID(digits.ljust(HEX_DIGITS_OF_ID, "0")),
        UUID(digits.ljust(HEX_DIGITS_OF_ID, "f")),
    )


def first_id_at(at: datetime) -> UUID:
    """Return the smallest UUIDv7 of a millisecond: ids of jobs begin with the time of their making."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << 80)


def json_values(text: str) -> list[Any]:
    """Return what a text can stand for in JSON: itself as a string, and the number, true, false or null it spells."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return [text]
    if isinstance(value, str | list | dict) or (isinstance(value, float) and not math.isfinite(value)):
        return [text]
    return [text, value]


def _refuse(name: str) -> Any:
    raise ValueError(name)


def fault(value: Value, problem: str, remedy: str = "") -> FilterError:
    """Return the error for a value that cannot be used."""
    return FilterError(problem, remedy, start=value.start, end=value.end)


def meant(wrong: str, names: Sequence[str]) -> str:
    """Return "Did you mean …? " for a name that is nearly one of `names`, else nothing."""
    close = get_close_matches(wrong.lower(), names, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}? " if close else ""
