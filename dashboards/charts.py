"""The charts' data: statistics of minutes and hours as at most 300 points, with a sentence that says the same."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboards import figures, words
from dashboards.recent import ENDED, FAILED, RUNS
from jobs import statistics
from jobs.histograms import quantile
from jobs.statistics import EPOCH, Figures


@dataclass(frozen=True, slots=True)
class Range:
    """How far back a chart goes, and how much one point covers."""

    name: str
    words: str
    length_seconds: int
    step_seconds: int
    is_hourly: bool = False


RANGES = {
    span.name: span
    for span in (
        Range("15m", "15 minutes", 900, 60),
        Range("1h", "hour", 3600, 60),
        Range("6h", "6 hours", 6 * 3600, 120),
        Range("24h", "24 hours", 24 * 3600, 300),
        Range("7d", "7 days", 7 * 86400, 3600, is_hourly=True),
    )
}
DEFAULT_RANGE = "1h"
HOURLY_24H = Range("24h", "24 hours", 24 * 3600, 3600, is_hourly=True)
"""For one queue or task: a day of their minutes would be read from all the minutes of that day."""

SHARED_SECONDS = 4.0
"""How long the figures of a chart are shared by everybody who looks: a day is 1,440 rows to add up."""
MOST_KNOWN = 20

Points = dict[datetime, Figures]
_lock = threading.Lock()
_known: dict[tuple[Range, str | None, str | None], tuple[float, Points]] = {}

Value = Callable[[Figures, float], float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    label: str
    colour: str
    value: Value
    """Takes the figures of a point and the minutes that it covers."""


def _rate(*names: str) -> Value:
    return lambda point, minutes: round(sum(point.counts.get(name, 0) for name in names) / minutes, 2)


def _quantile(name: str, share: float) -> Value:
    return lambda point, minutes: quantile(point.histograms.get(name), share)


def _failure_share(point: Figures, minutes: float) -> float | None:
    runs = sum(point.counts.get(name, 0) for name in RUNS)
    return 100 * sum(point.counts.get(name, 0) for name in FAILED) / runs if runs else None


def _quantiles(name: str) -> tuple[Line, ...]:
    shares = (("p50", "good", 0.5), ("p95", "warn", 0.95), ("p99", "bad", 0.99))
    return tuple(Line(label, colour, _quantile(name, share)) for label, colour, share in shares)


@dataclass(frozen=True, slots=True)
class Measure:
    """What a chart shows."""

    label: str
    unit: str
    lines: tuple[Line, ...]


MEASURES = {
    "outcome": Measure("Throughput", "jobs/min", (
        Line("succeeded", "good", _rate("state_succeeded")),
        Line("retried", "warn", _rate("retried")),
        Line("dead", "bad", _rate("state_dead")),
    )),
    "wait": Measure("Wait", "s", _quantiles("wait")),
    "run": Measure("Run time", "s", _quantiles("run")),
    "failures": Measure("Failure share", "%", (Line("failed", "bad", _failure_share),)),
}  # fmt: skip
DEFAULT_MEASURE = "outcome"


def chart(span_name: str, measure_name: str, *, queue: str | None = None, task: str | None = None) -> dict[str, Any]:
    """Return {"unit", "labels", "colours", "at": [epoch seconds], "lines": [[value or None]], "text"}.

    Raises: KeyError for a range or a measure that does not exist.
    """
    span, measure = RANGES[span_name], MEASURES[measure_name]
    if (queue or task) and span.name == HOURLY_24H.name:
        span = HOURLY_24H
    now = figures.present()
    points = _points(span, queue, task, now)
    step = timedelta(seconds=span.step_seconds)
    first = _first(span, now)
    moments = [first + index * step for index in range(span.length_seconds // span.step_seconds)]
    minutes, none = span.step_seconds / 60, Figures()
    shown = [points.get(at, none) for at in moments]
    shown[-1] = as_if_over(shown[-1], shown[-2], (now - moments[-1]) / step)

    return {
        "unit": measure.unit,
        "labels": [line.label for line in measure.lines],
        "colours": [line.colour for line in measure.lines],
        "at": [int(at.timestamp()) for at in moments],
        "lines": [[line.value(point, minutes) for point in shown] for line in measure.lines],
        "text": _sentence(span, points.values()),
    }


def as_if_over(last: Figures, former: Figures, share: float) -> Figures:
    """Return the present point, of which only a share has passed, with the rest taken from the point before.

    A line that fell at its end every minute would look like an outage.
    """
    names = {*last.counts, *former.counts}
    counts = {name: round(last.counts.get(name, 0) + (1 - share) * former.counts.get(name, 0)) for name in names}
    return Figures(counts, last.histograms or former.histograms)


def _points(span: Range, queue: str | None, task: str | None, now: datetime) -> Points:
    """Return the figures of each point. Nobody may change what is returned: it is shared for some seconds."""
    key = (span, queue, task)
    with _lock:
        read_at, points = _known.get(key, (float("-inf"), {}))
        if time.monotonic() - read_at > SHARED_SECONDS:
            points = {}
            for at, figure in statistics.series(
                _first(span, now), queue=queue, task=task, is_hourly=span.is_hourly
            ).items():
                points.setdefault(_floor(at, span.step_seconds), Figures()).add(figure)
            while len(_known) >= MOST_KNOWN:
                del _known[next(iter(_known))]
            _known.pop(key, None)
            _known[key] = (time.monotonic(), points)
        return points


def forget() -> None:
    """Read anew the next time."""
    _known.clear()


def _first(span: Range, now: datetime) -> datetime:
    step = timedelta(seconds=span.step_seconds)
    return _floor(now - timedelta(seconds=span.length_seconds), span.step_seconds) + step


def _floor(at: datetime, step_seconds: int) -> datetime:
    step = timedelta(seconds=step_seconds)
    return EPOCH + (at - EPOCH) // step * step


def _sentence(span: Range, points: Any) -> str:
    total = Figures()
    for point in points:
        total.add(point)
    ended = sum(total.counts.get(name, 0) for name in ENDED)
    if not ended and not total.counts.get("retried"):
        return f"Nothing has finished in the last {span.words}."
    wait, run = (quantile(total.histograms.get(name), 0.95) for name in ("wait", "run"))
    failed = sum(total.counts.get(name, 0) for name in FAILED)
    runs = sum(total.counts.get(name, 0) for name in RUNS)
    ways = zip(("succeeded", "died", "cancelled"), ENDED, strict=True)
    said = ", ".join(f"{total.counts[name]:,} {way}" for way, name in ways if total.counts.get(name))
    sentence = f"In the last {span.words} {words.plural(ended, 'job')} finished{': ' if said else ''}{said}; "
    sentence += f"{words.share(failed, runs)} of the runs failed."
    if wait is not None and run is not None:
        sentence += f" 95% waited at most {words.duration(wait)} and ran at most {words.duration(run)}."
    return sentence
