"""What producers and workers notice of a fault: whether it struck, what went on meanwhile, how long enqueues took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.checker import Report, percentile
from tests.faults.producer_log import ACKNOWLEDGED, MEANT
from tests.faults.site import DRAIN_SECONDS, Site
from tests.journal import BEGAN

STALL_LIMIT_SECONDS = 6.0
"""The longest that a transaction may take: one wait for a Redis that falls silent is 3 seconds."""

STALL_SECONDS = 2.0
MOST_STALLS = 2
"""Waits of one producer: one when Redis falls silent, one if it comes back slowly."""


@contextmanager
def harm(site: Site) -> Iterator[list[int]]:
    """Mark the time of a fault; note the strikes that the body appends, and what went on meanwhile.

    Raises: AssertionError if one of them struck nothing.
    """
    strikes: list[int] = []
    begin = time.monotonic()
    with site.fault():
        yield strikes
    end = time.monotonic()
    site.notes["strikes"] = sum(strikes)
    assert min(strikes, default=0) > 0, "the fault did not strike"
    site.notes["fault_seconds"] = round(end - begin, 1)
    for name, lines in {"begun": site.journal.lines(BEGAN), "enqueued": site.log.lines(ACKNOWLEDGED)}.items():
        count = sum(begin <= line.at_seconds < end for line in lines)
        site.notes[f"{name}_per_second_in_fault"] = round(count / (end - begin), 1)


def suffer(site: Site, strike: Callable[[], int]) -> Report:
    """Start two pools under load, let a fault strike once for as long as it lasts, and check the promises."""
    site.start(pools=2)
    with harm(site) as strikes:
        strikes.append(strike())
    return check(site)


def assert_work_went_on(site: Site) -> None:
    """Check that jobs began during the fault about as fast as they were enqueued.

    On SQLite more slowly: without messages, workers ask more often for the one write lock that producers want, too.
    """
    share = 0.8 if site.ledger.port else 0.25
    assert site.notes["begun_per_second_in_fault"] > share * site.notes["enqueued_per_second_in_fault"] > 0


def check(site: Site, *, seconds: float = DRAIN_SECONDS) -> Report:
    """Check the promises of the site, and that no producer waited for long or again and again."""
    try:
        report = site.check(seconds=seconds)
    finally:
        times = enqueue_seconds(site)
        stall_count = sum(value > STALL_SECONDS for value in times)
        site.notes["enqueue_p99_seconds"] = round(percentile(times, 0.99) or 0.0, 3)
        site.notes["enqueue_max_seconds"] = round(max(times, default=0.0), 3)
        site.notes["enqueue_stall_count"] = stall_count
    assert max(times) <= STALL_LIMIT_SECONDS
    assert stall_count <= MOST_STALLS * len(site.producers)
    return report


def enqueue_seconds(site: Site) -> list[float]:
    """Return how long each transaction with its enqueues took, its messages after the commit included."""
    meant = {line.key: line.at_seconds for line in site.log.lines(MEANT)}
    done = {(line.at_seconds, meant[line.key]) for line in site.log.lines(ACKNOWLEDGED)}
    return [end - begin for end, begin in done]
