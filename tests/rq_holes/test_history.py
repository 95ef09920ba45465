"""What is kept of failures and cancellations, and for how long."""

import time

import redis
from rq import Queue, Retry
from rq.registry import CanceledJobRegistry, clean_registries

from jobs.models import Attempt, Job
from tests.journal import Journal
from tests.rq_holes import plain, tasks
from tests.rq_holes.conftest import Start


def test_rq_keeps_one_traceback_of_four_failures_and_keeps_it_for_ever(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal
) -> None:
    job = queue.enqueue(plain.fail, journal.path, "job", retry=Retry(max=3))
    assert stock("worker", "--burst", "default").wait() == 0
    assert journal.runs() == {"job": 4}
    (result,) = job.results()
    assert "failure 4" in result.exc_string
    assert redis_client.ttl(f"rq:results:{job.id}") == -1


def test_rq_never_forgets_a_canceled_job(queue: Queue, redis_client: redis.Redis) -> None:
    job = queue.enqueue(plain.note, "nowhere", "job", result_ttl=1, failure_ttl=1)
    job.cancel()
    clean_registries(queue)
    registry = CanceledJobRegistry("default", redis_client)
    registry.cleanup(time.time() + 10 * 366 * 86400)
    assert registry.get_job_ids() == [job.id]
    assert (redis_client.ttl(registry.key), redis_client.ttl(job.key)) == (-1, -1)


def test_four_failures_keep_four_tracebacks(ours: Start) -> None:
    job = tasks.fail.enqueue()
    assert ours("jobs_worker", "--processes", "1", "--burst").wait(60) == 0
    assert Job.objects.get(id=job.id).state == "dead"
    attempts = Attempt.objects.filter(job_id=job.id).order_by("number")
    assert [attempt.message for attempt in attempts] == [f"failure {number}" for number in (1, 2, 3, 4)]
    for attempt in attempts:
        assert attempt.traceback.startswith("Traceback")
        assert attempt.traceback.rstrip().endswith(f"ValueError: failure {attempt.number}")
