"""Short jobs among long ones, and jobs that only wait."""

import random
import time
from collections.abc import Callable

import pytest

from jobs.models import Job
from tests import tasks as waiting
from tests.acceptance import tasks
from tests.acceptance.ledger import all_finished
from tests.acceptance.scheduling import ideal_waits, longest_wait_beside_the_idle, quantile, seen
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

Start = Callable[..., Running]
SLOTS = 2
SHORT_SECONDS, LONG_SECONDS = 0.001, 1.0
MIXED, LONG_ONE_IN = 2000, 100
ARRIVALS_PER_SECOND = 100
SEED = 7
P99_RATIO = 2.0
IDLE_LIMIT_SECONDS = 0.3


def mixed_work() -> list[tuple[str, float]]:
    """Return keys and run times: one job in a hundred is long, at random places."""
    keys = [f"job-{number}" for number in range(MIXED)]
    long = set(random.Random(SEED).sample(keys, MIXED // LONG_ONE_IN))
    return [(key, LONG_SECONDS if key in long else SHORT_SECONDS) for key in keys]


def warm_up(journal: Journal) -> None:
    """Let each worker learn how long such jobs take."""
    Job.objects.enqueue_many(tasks.work, [(journal.path, f"warm-{n}", SHORT_SECONDS) for n in range(200)])
    all_finished(60, succeeded=200)


def enqueue_at_once(journal: Journal, work: list[tuple[str, float]]) -> dict[str, float]:
    """Enqueue everything with one call; return when, by key."""
    now = time.monotonic()
    Job.objects.enqueue_many(tasks.work, [(journal.path, key, seconds) for key, seconds in work])
    return {key: now for key, _ in work}


def enqueue_one_by_one(journal: Journal, work: list[tuple[str, float]]) -> dict[str, float]:
    """Enqueue at a steady rate, which keeps two workers busy for a little more than half their time."""
    enqueued = {}
    begun = time.monotonic()
    for number, (key, seconds) in enumerate(work):
        time.sleep(max(0.0, begun + number / ARRIVALS_PER_SECOND - time.monotonic()))
        enqueued[key] = time.monotonic()
        tasks.work.enqueue(journal.path, key, seconds)
    return enqueued


@pytest.mark.parametrize("enqueue", [enqueue_at_once, enqueue_one_by_one])
def test_the_short_jobs_wait_at_most_twice_as_long_as_they_must(
    pool: Start, journal: Journal, figures: Figures, enqueue: Callable[..., dict[str, float]]
) -> None:
    """What they must is their wait under perfect scheduling of the same jobs, which came at the same moments.

    See `scheduling.ideal_waits`: two slots, first come, first served, and no time between two jobs.
    """
    pool("a", processes=SLOTS)
    warm_up(journal)
    work = mixed_work()
    enqueued = enqueue(journal, work)
    eventually(lambda: not Job.objects.unfinished().exists(), 120, "the jobs did not end")
    jobs = seen(journal, enqueued)
    is_short = {key: seconds == SHORT_SECONDS for key, seconds in work}
    ideal = ideal_waits([(enqueued[key], seconds) for key, seconds in work], SLOTS)
    ideal_p99 = quantile([wait for wait, (key, _) in zip(ideal, work, strict=True) if is_short[key]], 0.99)
    real_p99 = quantile([job.wait_seconds for job in jobs if is_short[job.key]], 0.99)
    beside_idle = longest_wait_beside_the_idle(jobs)
    figures.add(p99_seconds=real_p99, ideal_p99_seconds=ideal_p99, longest_wait_beside_the_idle_seconds=beside_idle)
    assert real_p99 <= P99_RATIO * ideal_p99
    assert beside_idle <= IDLE_LIMIT_SECONDS


def test_a_claimed_job_does_not_wait_behind_a_long_one_while_another_worker_is_idle(
    pool: Start, journal: Journal, figures: Figures
) -> None:
    """A batch of short jobs with a long one in it, at many places, on two workers that know them as short."""
    pool("a", processes=SLOTS)
    warm_up(journal)
    waits = []
    for trial in range(10):
        work = [(f"trial-{trial}-{n}", LONG_SECONDS if n == 8 * trial else SHORT_SECONDS) for n in range(100)]
        enqueued = enqueue_at_once(journal, work)
        eventually(lambda: not Job.objects.unfinished().exists(), 60, "the jobs did not end")
        waits.append(longest_wait_beside_the_idle(seen(journal, enqueued)))
    figures.add(trials=len(waits), longest_wait_beside_the_idle_seconds=max(waits))
    assert max(waits) <= IDLE_LIMIT_SECONDS


@pytest.mark.parametrize(("task", "options"), [(waiting.wait, ["--threads", "64"]), (waiting.wait_async, [])])
def test_a_thousand_jobs_that_wait_100_ms_take_at_most_three_seconds_in_one_process(
    pool: Start, figures: Figures, task: object, options: list[str]
) -> None:
    pool("a", *options)
    begun = time.monotonic()
    Job.objects.enqueue_many(task, [(0.1,)] * 1000)
    all_finished(60, succeeded=1000)
    seconds = time.monotonic() - begun
    figures.add(seconds=seconds)
    assert seconds <= 3.0
