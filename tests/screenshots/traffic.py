"""The traffic that pictures show: a busy last hour, as statistics."""

import math
from datetime import datetime, timedelta

from jobs import statistics
from jobs.models import Statistic

BUSY = {"sample-mail": 640, "sample-webhooks": 380, "sample-images": 210, "sample-search": 120, "sample-sms": 60}
"""Jobs per minute of some queues."""

TASK = "sample.invoices.charge"
OUTAGE_MINUTES = range(21, 34)
"""How long ago the first queue's provider was down."""


def write(now: datetime) -> None:
    """Write statistics of a busy hour: waves of work, and some minutes in which a provider was down."""
    rows = []
    for age in range(60):
        at = now.replace(second=0, microsecond=0) - timedelta(minutes=age)
        for rank, (queue, rate) in enumerate(BUSY.items()):
            done = rate * _wave(age, rank)
            if age == 0:
                done *= now.second / 60  # the minute is not over
            is_out = rank == 0 and age in OUTAGE_MINUTES
            rows.append(_minute(at, queue, round(done), 6 if is_out else 90))
    Statistic.objects.bulk_create(rows)
    while statistics.fold():
        pass


def go_on(now: datetime, seconds: float) -> None:
    """Write the traffic of the last few seconds, so that the present minute fills up while pictures are taken."""
    at = now.replace(second=0, microsecond=0)
    for rank, (queue, rate) in enumerate(BUSY.items()):
        _minute(at, queue, round(rate * _wave(0, rank) * seconds / 60), 90).save()


def _wave(age: int, rank: int) -> float:
    return 1 + 0.3 * math.sin(age / 9 + rank) + 0.06 * math.sin(age * 2.3 + 3 * rank)


def _minute(at: datetime, queue: str, done: int, one_in: int) -> Statistic:
    failed = done // one_in
    dead = failed // 8
    took = [0, 0, 0, done // 8, done // 4, done // 3, done // 5, done // 16, done // 40, *[0] * 7]
    return Statistic(
        minute_at=at, queue=queue, task=TASK,
        counts={
            "success": done, "error": failed, "retried": failed - dead, "state_succeeded": done, "state_dead": dead,
        },
        histograms={name: [done * 0.2, took] for name in ("wait", "run", "completion")},
    )  # fmt: skip
