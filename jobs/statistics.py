"""Statistics read and folded: raw rows of settled batches become minutes, hours and totals.

A count lives in a raw row or in the total, never in both and never in neither: the fold is one transaction,
and totals() reads both in one statement. So no counter ever goes down.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models.functions import Now

from jobs.conf import get_settings
from jobs.failpoints import reach
from jobs.histograms import Histogram, add_counts, add_histograms
from jobs.models import Statistic
from jobs.models.statistic import Period
from jobs.statements import LOCK_SECONDS, ledger_transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOLD_BATCH = 2000

Key = tuple[str, datetime, str, str]  # period, minute, queue, task


@dataclass(slots=True)
class Figures:
    """Counts by name and histograms by name, see models/statistic.py."""

    counts: dict[str, int] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)

    def add(self, row: "Statistic | Figures") -> None:
        add_counts(self.counts, row.counts)
        add_histograms(self.histograms, row.histograms)


def fold(limit: int = FOLD_BATCH) -> int:
    """Fold up to `limit` raw rows into minutes, hours and totals, and return how many there were.

    Several processes may fold at once: each takes rows that no other holds.
    """
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        raw = Statistic.objects.using(database).filter(period=Period.RAW).order_by("id")
        rows = list(raw.select_for_update(skip_locked=True)[:limit])
        if not rows:
            return 0
        sums: dict[Key, Figures] = defaultdict(Figures)
        for row in rows:
            for key in folded_into(row):
                sums[key].add(row)
        _add_to_folded(sums, database)
        reach("fold.added")
        return raw.filter(id__in=[row.id for row in rows]).order_by()._raw_delete(database)


def folded_into(row: Statistic) -> tuple[Key, ...]:
    """Return the keys of the folded rows that a raw row is added to."""
    hour_at = row.minute_at.replace(minute=0)
    return (
        (Period.MINUTE, row.minute_at, row.queue, row.task),
        (Period.HOUR, hour_at, row.queue, row.task),
        (Period.SITE_MINUTE, row.minute_at, "", ""),
        (Period.SITE_HOUR, hour_at, "", ""),
        (Period.TOTAL, EPOCH, row.queue, row.task),
    )


def _add_to_folded(sums: dict[Key, Figures], database: str) -> None:
    keys = sorted(sums)  # one order for all, so that two folds cannot wait for each other
    folded = Statistic.objects.using(database)
    folded.bulk_create(
        [Statistic(period=period, minute_at=at, queue=queue, task=task) for period, at, queue, task in keys],
        ignore_conflicts=True,
    )
    rows = folded.exclude(period=Period.RAW).filter(
        period__in={key[0] for key in keys}, minute_at__in={key[1] for key in keys}, queue__in={key[2] for key in keys}
    )
    changed = []
    for row in rows.order_by("period", "minute_at", "queue", "task").select_for_update():
        extra = sums.get((row.period, row.minute_at, row.queue, row.task))
        if extra is not None:
            figures = Figures(row.counts, row.histograms)
            figures.add(extra)
            changed.append(row)
    folded.bulk_update(changed, ["counts", "histograms"], batch_size=100)


def totals() -> dict[tuple[str, str], Figures]:
    """Return everything counted since the first migration, by (queue, task), in one statement."""
    sums: dict[tuple[str, str], Figures] = defaultdict(Figures)
    rows = Statistic.objects.using(get_settings().database).filter(period__in=[Period.TOTAL, Period.RAW])
    for row in rows.order_by().iterator():
        sums[row.queue, row.task].add(row)
    return dict(sums)


def series(
    since: datetime, *, queue: str | None = None, task: str | None = None, is_hourly: bool = False
) -> dict[datetime, Figures]:
    """Return the figures of each minute, or hour, from `since` on, oldest first; raw rows are counted in.

    `queue` and `task` of None mean all; a minute or hour in which nothing happened is left out.
    """
    is_site = queue is None and task is None
    if is_hourly:
        since, period = since.replace(minute=0), Period.SITE_HOUR if is_site else Period.HOUR
    else:
        period = Period.SITE_MINUTE if is_site else Period.MINUTE
    rows = Statistic.objects.using(get_settings().database).filter(minute_at__gte=since).order_by()
    if queue is not None:
        rows = rows.filter(queue=queue)
    if task is not None:
        rows = rows.filter(task=task)
    sums: dict[datetime, Figures] = defaultdict(Figures)
    # one statement, so that no row is seen both before and after it was folded; said both ways, because SQLite finds
    # the index of folded rows by its literal condition only
    folded = rows.exclude(period=Period.RAW).filter(period=period)
    for row in folded.union(rows.filter(period=Period.RAW), all=True):
        sums[row.minute_at.replace(minute=0) if is_hourly else row.minute_at].add(row)
    return dict(sorted(sums.items()))


def delete_old(limit: int = 5000) -> int:
    """Delete up to `limit` rows of minutes and hours past their retention, and return how many."""
    settings = get_settings()
    if not settings.retention_statistics_seconds:
        return 0
    rows = Statistic.objects.using(settings.database)
    oldest_at = Now() - timedelta(seconds=settings.retention_statistics_seconds)
    old = rows.exclude(period=Period.RAW).filter(minute_at__lt=oldest_at).exclude(period=Period.TOTAL)
    ids = list(old.values_list("id", flat=True)[:limit])
    return rows.filter(id__in=ids)._raw_delete(settings.database) if ids else 0
