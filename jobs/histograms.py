"""Histograms of durations: pure arithmetic over the fixed buckets of `models/statistic.py`.

A histogram is `[sum of seconds, [count per bucket]]`, the last bucket being everything above the last bound.
Counts are not cumulative, so adding two histograms is adding element by element.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

from jobs.models.statistic import BUCKET_BOUNDS

Histogram = list[Any]  # [float, list[int]], as JSON keeps it

_DIGITS = 6  # microseconds: what the columns with the times can tell


def histogram(values: Iterable[float]) -> Histogram:
    """Return the histogram of these durations in seconds; a negative one counts as zero."""
    buckets, total = [0] * (len(BUCKET_BOUNDS) + 1), 0.0
    for value in values:
        seconds = max(value, 0.0)
        buckets[bisect_left(BUCKET_BOUNDS, seconds)] += 1
        total += seconds
    return [round(total, _DIGITS), buckets]


def quantile(histogram: Histogram | None, share: float) -> float | None:
    """Estimate in seconds below what the given share of the durations lies, on a straight line within a bucket.

    None where nothing was counted. What lies beyond the last bound is said to be at it.
    """
    total = sum(histogram[1]) if histogram else 0
    if not total or histogram is None:
        return None
    wanted, lower = share * total, 0.0
    for count, upper in zip(histogram[1], BUCKET_BOUNDS, strict=False):
        if count and wanted <= count:
            return float(lower + (upper - lower) * wanted / count)
        wanted, lower = wanted - count, upper
    return BUCKET_BOUNDS[-1]


def add_histogram(target: dict[str, Histogram], name: str, other: Histogram) -> None:
    """Add `other` to `target[name]`."""
    mine = target.get(name)
    if mine is None:
        target[name] = [other[0], list(other[1])]
        return
    mine[0] = round(mine[0] + other[0], _DIGITS)
    mine[1] = [left + right for left, right in zip(mine[1], other[1], strict=True)]


def add_histograms(target: dict[str, Histogram], others: Mapping[str, Histogram]) -> None:
    """Add each of `others` to the histogram of the same name in `target`."""
    for name, other in others.items():
        add_histogram(target, name, other)


def add_counts(target: dict[str, int], others: Mapping[str, int]) -> None:
    """Add each of `others` to the count of the same name in `target`."""
    for name, count in others.items():
        target[name] = target.get(name, 0) + count
