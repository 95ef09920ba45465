"""What a whole pool says to the ledger and to Redis, measured at its real processes."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from jobs.models import Job
from jobs.transports import get_transport
from tests import tasks
from tests.speed import taps
from tests.speed.bounds import AN_IDLE_WORKERS_SECOND, STEPS, excesses
from tests.speed.metering import Cost
from tests.support import Running, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Start = Callable[..., Running]
WORKERS = 2
IDLE_SECONDS = 3.0
JOBS = 2000
TRIES = 3


@pytest.fixture
def tapped(manage: Start) -> Start:
    """Start a pool that leaves the lines of its taps in a directory."""

    def start(directory: Path, *options: str) -> Running:
        environment = {"DJANGO_SETTINGS_MODULE": "tests.speed.settings", taps.DIRECTORY: str(directory)}
        return manage("jobs_worker", *options, env=environment)

    return start


def test_an_idle_pool(tapped: Start, tmp_path: Path, redis_client: redis.Redis) -> None:
    tapped(tmp_path, "--processes", str(WORKERS))
    eventually(lambda: redis_client.scard("rq:workers") == WORKERS, 60, "the pool did not start")
    begun_seconds = time.monotonic()
    redis_client.config_resetstat()
    before = Cost().read(tmp_path, redis_client)
    time.sleep(IDLE_SECONDS)
    cost = Cost().read(tmp_path, redis_client).since(before)
    worker_seconds = WORKERS * (time.monotonic() - begun_seconds)
    assert not excesses(cost, AN_IDLE_WORKERS_SECOND, worker_seconds)


def test_a_drain_by_a_pool(tapped: Start, tmp_path: Path, redis_client: redis.Redis) -> None:
    """The best of three counts: on a machine that is busy with something else, batches are smaller."""
    bound = STEPS["a drain of 2,000 by a pool, with its start and end"]
    found: list[str] = []
    for number in range(TRIES):
        directory = tmp_path / str(number)
        directory.mkdir()
        Job.objects.enqueue_many(tasks.add, [(number,)] * JOBS)
        get_transport().close()
        redis_client.config_resetstat()
        assert tapped(directory, "--processes", "1", "--burst").wait(120) == 0
        assert set(Job.objects.order_by().values_list("state", flat=True)) == {"succeeded"}
        found = excesses(Cost().read(directory, redis_client), bound)
        if not found:
            break
    assert not found
