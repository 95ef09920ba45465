"""Many jobs at once by plain SQL, beside the load that producers make."""

from datetime import UTC, datetime, timedelta
from itertools import islice

from tests.faults.producer_log import ACKNOWLEDGED, MEANT
from tests.faults.site import Site
from tests.journal import append_many

WORK = "tests.faults.tasks.work"
RATE_BESIDE = 240
"""Jobs per second of the producers where a test adds batches: SQLite settles some 400 a second on a small machine."""


def moment(seconds: float) -> str:
    """Return the time in so many seconds, as both databases read it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")


def insert_logged(site: Site, kind: str, count: int, work_seconds: float = 0.0, **columns: str) -> None:
    """Insert jobs and log them as acknowledged; their keys begin with the kind."""
    keys = [f"{kind}-test-{site.random.getrandbits(48):x}" for _ in range(count)]
    append_many(site.log.path, MEANT, keys)
    insert(site, keys, work_seconds, **columns)
    append_many(site.log.path, ACKNOWLEDGED, keys)


def insert(site: Site, keys: list[str], work_seconds: float = 0.0, **columns: str) -> None:
    """Insert a job of the load's task for each key, a hundred with one statement."""
    rest = iter(keys)
    names, place = ", ".join(["task", "args", *columns]), f"({', '.join(['%s'] * (2 + len(columns)))})"
    while batch := list(islice(rest, 100)):
        values = []
        for key in batch:
            values += [WORK, f'["{site.journal.path}", "{key}", {work_seconds}]', *columns.values()]
        site.ledger.query(f"INSERT INTO jobs_job ({names}) VALUES {', '.join([place] * len(batch))}", *values)
