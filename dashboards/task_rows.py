"""What the tables say of each task, from the statistics of hours.

Shared by everybody who looks within some seconds: with 200 tasks a day is 5,000 rows to add up.
"""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboards.recent import FAILED, RUNS
from jobs.conf import get_settings
from jobs.definition import registry
from jobs.histograms import quantile
from jobs.models import Statistic
from jobs.models.statistic import BUCKET_BOUNDS, Period
from jobs.statistics import Figures

SHARED_SECONDS = 5.0
SPANS = {"1h": ("hour", 1), "6h": ("6 hours", 6), "24h": ("24 hours", 24)}
"""Ranges by name: in words, and how many hours they go back."""
DEFAULT_SPAN = "24h"


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task over a range of hours."""

    name: str
    queues: list[str]
    is_registered: bool
    run_count: int
    failed_count: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    buckets: list[int]
    """How many runs took how long; the last one is everything above the last bound."""


_lock = threading.Lock()
_known: dict[str, tuple[float, list[TaskRow]]] = {}


def task_rows(span: str, now: datetime) -> list[TaskRow]:
    """Return all tasks that ran or are registered; most runs first. Raises: KeyError for an unknown range."""
    hours = SPANS[span][1]
    with _lock:
        read_at, rows = _known.get(span, (float("-inf"), []))
        if time.monotonic() - read_at > SHARED_SECONDS:
            rows = _read(now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours))
            _known[span] = (time.monotonic(), rows)
        return rows


def forget() -> None:
    """Read anew the next time."""
    _known.clear()


def _read(since: datetime) -> list[TaskRow]:
    rows = Statistic.objects.using(get_settings().database).filter(minute_at__gte=since).order_by()
    hours = rows.exclude(period=Period.RAW).filter(period=Period.HOUR)
    raw = rows.filter(period=Period.RAW)
    columns = ("task", "queue", "counts", "histograms__run")
    sums: dict[str, Figures] = defaultdict(Figures)
    queues: dict[str, set[str]] = defaultdict(set)
    for task, queue, counts, run in hours.values_list(*columns).union(raw.values_list(*columns), all=True):
        if task:
            sums[task].add(Figures(counts, {"run": run} if run else {}))
            queues[task].add(queue)
    names = sums.keys() | {task.module_path for task in registry}
    found = [_row(name, sums.get(name, Figures()), sorted(queues.get(name, ()))) for name in names]
    return sorted(found, key=lambda row: (-row.run_count, row.name))


def _row(name: str, figures: Figures, queues: list[str]) -> TaskRow:
    run = figures.histograms.get("run")
    return TaskRow(
        name=name,
        queues=queues,
        is_registered=name in registry,
        run_count=sum(figures.counts.get(outcome, 0) for outcome in RUNS),
        failed_count=sum(figures.counts.get(outcome, 0) for outcome in FAILED),
        p50_seconds=quantile(run, 0.5),
        p95_seconds=quantile(run, 0.95),
        p99_seconds=quantile(run, 0.99),
        buckets=list(run[1]) if run else [0] * (len(BUCKET_BOUNDS) + 1),
    )
