"""Rescue with real processes: a killed pool's jobs go on, a flushed broker is filled again."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from jobs.models import Job, Schedule, Worker
from tests.support import Running, eventually
from tests.time.conftest import TICK

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("brisk")]


@pytest.fixture(autouse=True)
def no_declared_schedules(live_database: Any) -> None:
    Schedule.objects.all().delete()


@pytest.mark.parametrize(("rescuer", "limit_seconds"), [("a", 10), ("b", 20)])
def test_jobs_of_a_killed_pool_are_rescued(manage: Callable[..., Running], rescuer: str, limit_seconds: float) -> None:
    manage("jobs_scheduler", env={"QUEUEHUB_NODE": rescuer})
    pool = manage("jobs_worker", "--processes", "1", env={"QUEUEHUB_NODE": "a"})
    job = Job.objects.enqueue("demo.tasks.survey_library", duration_seconds=100)
    eventually(lambda: Job.objects.get(id=job.id).state == "running", 30)
    pool.kill()
    killed_at = time.monotonic()
    eventually(lambda: Job.objects.get(id=job.id).loss_count == 1, 40)
    assert time.monotonic() - killed_at <= limit_seconds
    assert Worker.objects.get().state == "lost"
    rescued = Job.objects.get(id=job.id)
    assert rescued.state in {"queued", "retrying"}
    assert rescued.failure_count == 0


def test_a_flushed_broker_is_filled_again(manage: Callable[..., Running], redis_client: redis.Redis) -> None:
    manage("jobs_scheduler")
    jobs = Job.objects.enqueue_many(TICK, [()] * 50)
    eventually(lambda: redis_client.llen("rq:queue:default") == 50, 20)
    redis_client.flushall()
    eventually(lambda: redis_client.llen("rq:queue:default") == 50, 20)
    assert Job.objects.queued().filter(published_at__isnull=False).count() == len(jobs)
