"""A backlog of a million jobs: Redis stays small, the work goes on, and what is urgent goes first."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
from django.db import connection

from jobs.models import Attempt, Job
from tests.acceptance import tasks
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

Start = Callable[..., Running]
ROWS = {"postgresql": 1_000_000, "sqlite": 100_000}
REDIS_BYTES = 64_000_000
SPAN_SECONDS = {"postgresql": 15, "sqlite": 6}
URGENT, URGENT_SECONDS = 5, 1.0
NUMBERS = {
    "postgresql": "SELECT generate_series(1, %s) AS n",
    "sqlite": "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < %s) SELECT n FROM up",
}


def insert_backlog(count: int) -> None:
    """Insert jobs by plain SQL, in one statement."""
    numbers = NUMBERS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO jobs_job (task) SELECT 'tests.acceptance.tasks.nothing' FROM ({numbers}) AS numbers", [count]
        )


@contextmanager
def highest_memory(client: redis.Redis) -> Iterator[list[int]]:
    """Read Redis' memory in bytes every tenth of a second while the block runs."""
    readings: list[int] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.wait(0.1):
            readings.append(int(client.info("memory")["used_memory"]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield readings
    finally:
        is_over.set()
        reader.join()


def seconds_until_urgent_ones_begin(journal: Journal, until_seconds: float) -> list[float]:
    """Enqueue jobs of the highest priority one after the other, and return how long each waited."""
    waits = []
    for number in range(URGENT):
        key, now = f"urgent-{number}", time.monotonic()
        tasks.note.using(priority=100).enqueue(journal.path, key)
        eventually(lambda key=key: journal.runs()[key], 60, "an urgent job did not begin")
        (line,) = [line for line in journal.lines() if line.key == key]
        waits.append(line.at_seconds - now)
        time.sleep(max(0.0, until_seconds - time.monotonic()) / (URGENT - number))
    return waits


def finished_by_second() -> list[int]:
    """Count the runs that ended in each full second between the first and the last end."""
    ends = sorted(at.timestamp() for at in Attempt.objects.order_by().values_list("finished_at", flat=True).iterator())
    counts = Counter(int(at - ends[0]) for at in ends)
    return [counts[second] for second in range(int(ends[-1] - ends[0]))]


def test_a_backlog_costs_little_redis_drains_without_a_gap_and_lets_urgent_jobs_pass(
    command: Start, pool: Start, scheduler: Start, journal: Journal, redis_client: redis.Redis, figures: Figures
) -> None:
    rows, span_seconds = ROWS[connection.vendor], SPAN_SECONDS[connection.vendor]
    insert_backlog(rows)
    with highest_memory(redis_client) as memory:
        running = pool("a", processes=2), scheduler("a")
        eventually(Attempt.objects.exists, 60, "the drain did not begin")
        waits = seconds_until_urgent_ones_begin(journal, time.monotonic() + span_seconds)
        for each in running:
            assert each.stop(60) == 0
    by_second = finished_by_second()
    figures.add(
        rows=rows,
        highest_redis_mb=max(memory) / 1e6,
        seconds=len(by_second),
        jobs_per_second=sum(by_second) / len(by_second),
        fewest_in_a_second=min(by_second),
        longest_urgent_wait_seconds=max(waits),
    )
    assert max(memory) <= REDIS_BYTES
    assert min(by_second) > 0, by_second
    assert max(waits) <= URGENT_SECONDS
    assert Job.objects.queued().exists(), "the backlog was not long enough for the span"
    assert not Job.objects.dead().exists()
