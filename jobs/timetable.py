"""When a schedule fires next: pure arithmetic over cron expressions, intervals and time zones.

Cron follows Debian's cron, daylight saving included: a fixed time that the clock skips fires right after the
gap, one that the clock shows twice fires at the first, and a pattern with `*` in its hours or minutes follows
elapsed time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from jobs.errors import InvalidJob

MAX_INTERVAL_SECONDS = 366 * 86400
CRON_REMEDY = "Pass minute, hour, day of month, month and day of week, as in '*/15 8-18 * * MON-FRI'."


def check_timing(cron: str, every_seconds: int | None, timezone: str) -> None:
    """Check the columns that say when a schedule fires.

    Raises: InvalidJob, naming the column and the remedy.
    """
    for field, value, limit in (("cron", cron, 128), ("timezone", timezone, 64)):
        if not isinstance(value, str) or len(value) > limit:
            raise InvalidJob(
                field, f"{value!r:.128} is not usable.", f"Pass a text of at most {limit} characters."
            )
    zone = _zone(timezone)
    if bool(cron) == (every_seconds is not None):
        problem = "both are set." if cron else "neither is set."
        raise InvalidJob("cron, every_seconds", problem, "Set exactly one of them.")
    if cron:
        next_cron(cron, zone.key, datetime(2000, 1, 1, tzinfo=UTC))
        return
    is_number = isinstance(every_seconds, int) and not isinstance(every_seconds, bool)
    if not is_number or not 1 <= (every_seconds or 0) <= MAX_INTERVAL_SECONDS:
        raise InvalidJob(
            "every_seconds",
            f"{every_seconds!r:.64} is out of range.",
            f"Pass a whole number from 1 to {MAX_INTERVAL_SECONDS}.",
        )


def next_firing(
    cron: str, every_seconds: int | None, timezone: str, anchor: datetime, after: datetime
) -> datetime:
    """Return the first time later than `after`, in UTC.

    An interval counts from `anchor` in whole steps, so that a late firing does not shift the later ones.

    Raises: InvalidJob.
    """
    check_timing(cron, every_seconds, timezone)
    return next_cron(cron, timezone, after) if cron else next_interval(every_seconds or 0, anchor, after)


def next_interval(every_seconds: int, anchor: datetime, after: datetime) -> datetime:
    """Return the first `anchor + n * every_seconds`, n any whole number but 0, that is later than `after`, in UTC.

    The anchor itself has fired. One that lies far ahead tells of a database whose clock was put back; whoever waited
    for it to catch up would miss every firing until then.
    """
    step = timedelta(seconds=every_seconds)
    steps = (after - anchor) // step + 1
    return (anchor + (steps or 1) * step).astimezone(UTC)


def next_cron(cron: str, timezone: str, after: datetime) -> datetime:
    """Return the first time of the expression later than `after`, in UTC.

    Raises: InvalidJob.
    """
    for firing in _times(cron, _zone(timezone), after):
        # after a clock was set back, the library counts from the wall time and may step behind `after`
        if firing > after:
            return firing
    raise InvalidJob("cron", f"{cron!r:.128} never fires.", "Choose a date that exists.")


def _times(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    if len(cron.split()) != 5:
        raise InvalidJob("cron", f"{cron!r:.128} does not have five fields.", CRON_REMEDY)
    try:
        times = CronSim(cron, after.astimezone(zone))
    except CronSimError as error:
        raise InvalidJob("cron", f"{cron!r:.128} cannot be read: {error}.", CRON_REMEDY) from None
    for time in times:
        yield time.astimezone(UTC)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        raise InvalidJob(
            "timezone",
            f"{name!r:.64} is not a time zone.",
            "Pass an IANA name such as 'UTC' or 'Europe/Berlin'.",
        ) from None
