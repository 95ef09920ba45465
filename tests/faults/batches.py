"""Many jobs of the load's own task at once, beside what producers make."""

from datetime import UTC, datetime, timedelta

from tests.faults.rows import insert_rows, insert_task
from tests.faults.site import Site

WORK = "tests.faults.tasks.work"
RATE_BESIDE = 240
"""Jobs per second of the producers where a test adds batches: SQLite settles some 400 a second on a small machine."""


def moment(seconds: float) -> str:
    """Return the time in so many seconds, as both databases read it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")


def insert_logged(site: Site, kind: str, count: int, work_seconds: float = 0.0, **columns: str) -> None:
    """Insert jobs and log them as acknowledged; their keys begin with the kind."""
    insert_task(site, WORK, kind, count, work_seconds, **columns)


def insert(site: Site, keys: list[str], work_seconds: float = 0.0, **columns: str) -> None:
    """Insert a job of the load's task for each key; nothing is logged."""
    insert_rows(site, WORK, keys, work_seconds, **columns)
