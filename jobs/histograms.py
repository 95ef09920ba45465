"""Histograms of durations: pure arithmetic over the fixed buckets of `models/statistic.py`.

A histogram is `[sum of seconds, [count per bucket]]`, the last bucket being everything above the last bound.
Counts are not cumulative, so adding two histograms is adding element by element.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from jobs.models.statistic import BUCKET_BOUNDS

Histogram = list[Any]  # [float, list[int]], as JSON keeps it

_DIGITS = 6  # microseconds: what the columns with the times can tell


def histogram(values: Sequence[float]) -> Histogram:
    """Return the histogram of these durations in seconds; a negative one counts as zero."""
    ordered = sorted(values)  # then the bounds are looked up in the values: there are fewer of them
    below = [0, *(bisect_right(ordered, bound) for bound in BUCKET_BOUNDS), len(ordered)]
    total = sum(ordered[bisect_right(ordered, 0.0) :])
    return [round(total, _DIGITS), [upper - lower for lower, upper in pairwise(below)]]


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
