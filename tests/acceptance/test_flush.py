"""Redis is flushed again and again; nothing is lost, and work goes on within seconds."""

import time
from collections.abc import Callable

import pytest
import redis

from jobs.models import Job
from tests.acceptance import tasks
from tests.acceptance.ledger import accepted_twice, all_finished
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Start = Callable[..., Running]
FLUSHES = 3


def test_queues_of_a_thousand_jobs_outlive_three_flushes(
    pool: Start, scheduler: Start, journal: Journal, redis_client: redis.Redis, figures: Figures
) -> None:
    scheduler("a")
    pool("a", processes=2)
    begun_at = time.monotonic()
    flushed, pauses = [], []
    for flush in range(FLUSHES):
        count = journal.run_count()
        Job.objects.enqueue_many(tasks.work, [(journal.path, f"job-{flush}-{n}", 0.01) for n in range(1000)])
        eventually(lambda count=count: journal.run_count() >= count + 50, 60)
        flushed.append(int(redis_client.llen("rq:queue:default")))
        redis_client.flushall()
        flushed_at, count = time.monotonic(), journal.run_count()
        # what was claimed before may still run; fifty more runs than that come from the ledger's own rows
        eventually(lambda count=count: journal.run_count() > count + 50, 60, "work did not go on")
        pauses.append(time.monotonic() - flushed_at)
    all_finished(120, succeeded=1000 * FLUSHES)
    figures.add(
        seconds=time.monotonic() - begun_at,
        messages_flushed_each_time=min(flushed),
        seconds_to_fifty_further_runs_worst=max(pauses),
    )
    assert min(flushed) > 500, "a flush hit a nearly empty queue and proves nothing"
    assert set(journal.runs().values()) == {1}
    assert len(journal.runs()) == 1000 * FLUSHES
    assert accepted_twice() == 0
    assert not Job.objects.filter(loss_count__gt=0).exists()
