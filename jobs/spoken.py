"""Durations, times and numbers as people say them, for sentences and lines of commands."""

from datetime import datetime

from django.utils import timezone


def duration(seconds: float) -> str:
    """Say a length of time: "0.4 s", "38 s", "12 min", "3 h", "2 d"."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f}".removesuffix(".0") + " s"
    for limit, unit, name in ((119.5, 1, "s"), (7170, 60, "min"), (171_000, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} d"


def ago(at: datetime, now: datetime) -> str:
    """Say how long ago something was: "38 s ago"."""
    return f"{duration((now - at).total_seconds())} ago"


def clock(at: datetime, now: datetime) -> str:
    """Say a time in the current time zone: "13:02:41" on the same day, else "2026-11-23 13:02"."""
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"


def count(number: int, noun: str) -> str:
    """Say how many: "1 job", "2,000 jobs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def capped(number: int, cap: int) -> str:
    """Say a number that was not counted beyond the cap: "10,000+"."""
    return f"{cap:,}+" if number > cap else f"{number:,}"
