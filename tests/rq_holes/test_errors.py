"""What a worker does about data that it cannot read, and about errors that nobody foresaw."""

import re

import pytest
import redis
from rq import Queue

from jobs.models import Worker
from tests.acceptance import tasks
from tests.journal import Journal
from tests.rq_holes import plain
from tests.rq_holes.conftest import Blow, Start
from tests.rq_holes.ledger import places_of, succeeded_once
from tests.support import eventually

UNREADABLE = {"created_at": "yesterday", "data": b"\x80\x04\xff", "timeout": "soon", "meta": b"\xff"}


def test_rq_workers_end_one_after_the_other_at_an_unreadable_job(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal
) -> None:
    bad, good = (queue.enqueue(plain.note, journal.path, key) for key in ("bad", "good"))
    redis_client.hset(bad.key, mapping=UNREADABLE)
    for _ in range(2):
        running = stock("worker", "--burst", "default")
        assert running.wait() == 0
        assert "unhandled exception, quitting" in running.output
    assert journal.run_count() == 0
    assert places_of(redis_client, good) == ["rq:queue:default"]


@pytest.mark.one_ledger
def test_unreadable_jobs_end_no_worker(ours: Start, queue: Queue, redis_client: redis.Redis, journal: Journal) -> None:
    running = ours("jobs_worker", "--processes", "1")
    tasks.note.enqueue(journal.path, "first")
    eventually(lambda: "first" in journal.runs(), 30)
    (worker,) = Worker.objects.living()
    with redis_client.pipeline() as pipe:  # the worker gets it all at once
        plain_job = queue.enqueue(plain.note, journal.path, "bad", pipeline=pipe)
        pipe.hset(plain_job.key, mapping=UNREADABLE)
        pipe.execute()
    for number in range(5):
        job = tasks.note.enqueue(journal.path, f"job-{number}")
        redis_client.hset(f"rq:job:{job.id}-1", mapping=UNREADABLE)
    succeeded_once(journal)
    eventually(lambda: redis_client.hget(plain_job.key, "status") == b"failed")
    assert [each.id for each in Worker.objects.living()] == [worker.id]
    assert running.stop() == 0


def test_rq_workers_end_at_an_unexpected_error(stock: Start, queue: Queue, journal: Journal) -> None:
    for key in ("first", "second"):
        queue.enqueue(plain.note, journal.path, key)
    strike = ("rq.worker.base:BaseWorker.reorder_queues", "before", "builtins.RuntimeError")
    assert stock("worker", "--burst", "default", strike=strike).wait() == 0
    assert journal.run_count() == 0


PLACES = {
    "jobs_worker --processes 1": [
        "jobs.lifecycle:claim",
        "jobs.lifecycle:settle",
        "jobs.worker.settler:Settler._tick",
        "jobs.worker.pool:runs_text",
    ],
    "rqworker": ["jobs.worker.guardian:runs_text"],
}


@pytest.mark.one_ledger
@pytest.mark.parametrize("command", PLACES)
def test_unexpected_errors_end_no_worker(ours: Start, journal: Journal, blow: Blow, command: str) -> None:
    places = PLACES[command]
    running = ours(*command.split(), strike=(",".join(places), "before", "builtins.RuntimeError"))
    tasks.note.enqueue(journal.path, "first")
    blow.wait(len(places))
    struck_at = Worker.objects.living().get().heartbeat_at
    tasks.note.enqueue(journal.path, "second")
    succeeded_once(journal)
    eventually(lambda: Worker.objects.living().get().heartbeat_at > struck_at, message="the heart has stopped")
    assert Worker.objects.count() == 1
    assert running.stop() == 0


@pytest.mark.one_ledger
def test_a_worker_that_dies_at_its_start_is_replaced_after_longer_and_longer_pauses(ours: Start) -> None:
    strike = ("jobs.worker.process:WorkerProcess.run", "before", "KILL")
    running = ours("jobs_worker", "--processes", "1", strike=strike, is_every_time=True)
    running.wait_for("next try in 2.0 s")
    assert re.findall(r"next try in ([\d.]+) s", running.output) == ["1.0", "2.0"]
    assert running.stop() == 0


@pytest.mark.one_ledger
def test_a_pool_that_may_not_fork_tries_again(ours: Start, journal: Journal, blow: Blow) -> None:
    tasks.note.enqueue(journal.path, "job")
    strike = ("os:fork", "before", "builtins.BlockingIOError")
    running = ours("jobs_worker", "--processes", "1", "--burst", strike=strike)
    assert running.wait(60) == 0
    assert blow.has_fallen()
    assert "cannot start a worker" in running.output
    succeeded_once(journal)
