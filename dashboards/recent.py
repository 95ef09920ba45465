"""What the last minutes were like, queue by queue: rates, failures and waiting times for the rows of tables.

Read at most once in `SHARED_SECONDS` per process: of six minutes, five do not change any more.
"""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobs.conf import get_settings
from jobs.histograms import Histogram, add_counts, add_histogram, quantile
from jobs.models import Statistic
from jobs.models.statistic import Period

MINUTES = 5
"""Whole minutes before the present one."""

SHARED_SECONDS = 2.0
ENDED = ("state_succeeded", "state_dead", "state_cancelled")
RUNS = ("success", "error", "timeout", "lost")
FAILED = ("error", "timeout", "lost")

Minutes = dict[datetime, dict[str, int]]


@dataclass(slots=True)
class Recent:
    """The last minutes of one queue, or of all together."""

    minutes: Minutes = field(default_factory=lambda: defaultdict(dict))
    histograms: dict[str, Histogram] = field(default_factory=dict)

    def add(self, minute_at: datetime, counts: dict[str, int], wait: Histogram | None) -> None:
        add_counts(self.minutes[minute_at], counts)
        if wait:
            add_histogram(self.histograms, "wait", wait)

    def count(self, names: tuple[str, ...]) -> int:
        """Add up counts over all the minutes."""
        return sum(counts.get(name, 0) for counts in self.minutes.values() for name in names)

    @property
    def wait_p95_seconds(self) -> float | None:
        return quantile(self.histograms.get("wait"), 0.95)

    def per_minute(self, now: datetime) -> float:
        """Return the ended jobs of the last 60 seconds, the former minute weighed by its share of them."""
        this_minute = now.replace(second=0, microsecond=0)
        share = 1 - (now - this_minute).total_seconds() / 60
        this, former = self.minutes.get(this_minute, {}), self.minutes.get(this_minute - timedelta(minutes=1), {})
        return sum(this.get(name, 0) + share * former.get(name, 0) for name in ENDED)

    def bars(self, now: datetime) -> list[int]:
        """Return the ended jobs of each minute, oldest first, the present one last."""
        last = now.replace(second=0, microsecond=0)
        minutes = (self.minutes.get(last - timedelta(minutes=age), {}) for age in range(MINUTES, -1, -1))
        return [sum(counts.get(name, 0) for name in ENDED) for counts in minutes]


_lock = threading.Lock()
_read_at = float("-inf")
_known: dict[str, Recent] = {}


def by_queue(now: datetime) -> dict[str, Recent]:
    """Return the last minutes by queue; under "" those of all together. Nobody may change what is returned."""
    global _read_at, _known
    with _lock:
        if time.monotonic() - _read_at > SHARED_SECONDS:
            _known = read(now)
            _read_at = time.monotonic()
        return _known


def forget() -> None:
    """Read anew the next time."""
    global _read_at
    _read_at = float("-inf")


def read(now: datetime) -> dict[str, Recent]:
    """Read the last minutes from the ledger, in one statement."""
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES)
    rows = Statistic.objects.using(get_settings().database).filter(minute_at__gte=since).order_by()
    # said both ways, because SQLite finds the index of folded rows by its literal condition only
    folded = rows.exclude(period=Period.RAW).filter(period=Period.MINUTE)
    parts = (part.values_list("queue", "minute_at", "counts", "histograms__wait") for part in (
        folded, rows.filter(period=Period.RAW)
    ))  # fmt: skip
    first, second = parts
    found: dict[str, Recent] = defaultdict(Recent)
    for queue, minute_at, counts, wait in first.union(second, all=True):
        found[""].add(minute_at, counts, wait)
        if queue:
            found[queue].add(minute_at, counts, wait)
    return dict(found)
