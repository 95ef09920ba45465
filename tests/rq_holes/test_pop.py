"""Between Redis and the worker: a pop, or its reply, or the reply to an enqueue, is lost."""

import signal
import time
from collections.abc import Iterator

import psutil
import pytest
import redis
from rq import Queue
from rq.registry import StartedJobRegistry, clean_registries

from jobs.models import Job, Worker
from jobs.transports import get_transport
from queuehub.embedded import EmbeddedServer, socket_path
from tests import run_directory
from tests.acceptance import tasks
from tests.faults.proxy import Proxy
from tests.journal import Journal
from tests.rq_holes import plain
from tests.rq_holes.conftest import Blow, Start
from tests.rq_holes.ledger import places_of, succeeded_once
from tests.support import eventually

STOCK_POP = "rq.queue:Queue.lpop"
OUR_POP = "jobs.transports.rq:RQTransport.receive"


@pytest.fixture
def proxy(valkey: EmbeddedServer) -> Iterator[Proxy]:
    """A road to the test's Valkey that can lose replies."""
    with Proxy(str(socket_path(run_directory.directory()))) as made:
        yield made


def url_of(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


# -- killed, or asked to end, right after the pop -----------------------------------------------------
@pytest.mark.parametrize(("number", "code"), [("KILL", -9), ("TERM", 0)])
def test_rq_with_two_queues_forgets_a_job_when_it_ends_after_the_pop(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal, number: str, code: int
) -> None:
    job = queue.enqueue(plain.note, journal.path, "job")
    assert stock("worker", "default", "mail", strike=(STOCK_POP, "after", number)).wait() == code
    clean_registries(queue)
    assert stock("worker", "--burst", "default", "mail").wait() == 0
    assert places_of(redis_client, job) == []
    assert job.get_status() == "queued"
    assert journal.run_count() == 0


def test_a_worker_killed_after_the_pop_loses_nothing(ours: Start, journal: Journal, blow: Blow) -> None:
    for number in range(3):
        tasks.note.enqueue(journal.path, f"job-{number}")
        tasks.note.using(queue_name="mail").enqueue(journal.path, f"mail-{number}")
    running = ours("jobs_worker", "--processes", "1", "--burst", failpoint="receive.popped=kill")
    assert running.wait(60) == 0
    assert blow.has_fallen()
    succeeded_once(journal)


def test_a_worker_asked_to_end_after_the_pop_gives_back_what_has_not_begun(
    ours: Start, journal: Journal, blow: Blow
) -> None:
    for number in range(20):
        tasks.work.enqueue(journal.path, f"job-{number}", 0.01)
    running = ours("jobs_worker", "--processes", "1", strike=(OUR_POP, "after", "TERM"))
    blow.wait()
    eventually(lambda: Worker.objects.filter(state="stopped").exists(), 30)
    stopped = Worker.objects.filter(state="stopped").values("id")
    assert not Job.objects.filter(state="running", worker__in=stopped).exists()
    succeeded_once(journal)
    assert running.stop() == 0


# -- the reply to a pop is lost -----------------------------------------------------------------------
def test_rq_pops_another_job_when_the_reply_is_lost_and_forgets_the_first(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal, proxy: Proxy
) -> None:
    first, second = (queue.enqueue(plain.note, journal.path, key) for key in ("first", "second"))
    rule = proxy.cut_reply(rb"BLPOP", reply=rb"^\*2")
    running = stock("worker", "--max-jobs", "1", "default", "mail", url=url_of(proxy))
    assert running.wait() == 0
    assert rule.fired_count == 1
    clean_registries(queue)
    assert (places_of(redis_client, first), first.get_status()) == ([], "queued")
    assert second.get_status() == "finished"
    assert set(journal.runs()) == {"second"}


def test_a_lost_reply_to_a_pop_loses_no_job(ours: Start, journal: Journal, proxy: Proxy) -> None:
    for number in range(5):
        tasks.note.enqueue(journal.path, f"job-{number}")
    rule = proxy.cut_reply(rb"LMPOP", reply=rb"^\*2")
    running = ours("jobs_worker", "--processes", "1", "--burst", env={"REDIS_URL": url_of(proxy)})
    assert running.wait(60) == 0
    assert rule.fired_count == 1
    succeeded_once(journal)


# -- the reply to an enqueue is lost ------------------------------------------------------------------
def test_rq_runs_a_job_twice_when_the_reply_to_its_enqueue_is_lost(
    stock: Start, redis_client: redis.Redis, journal: Journal, proxy: Proxy
) -> None:
    rule = proxy.cut_reply(rb"RPUSH")
    with redis.Redis(port=proxy.port) as client:  # which sends a command again when its connection breaks
        job = Queue("default", connection=client, serializer="json").enqueue(plain.note, journal.path, "job")
    assert rule.fired_count == 1
    assert redis_client.lrange("rq:queue:default", 0, -1) == [job.id.encode()] * 2
    assert stock("worker", "--burst", "default").wait() == 0
    assert journal.runs() == {"job": 2}
    assert StartedJobRegistry("default", redis_client).get_job_ids() == []


def test_a_lost_reply_to_an_enqueue_makes_no_second_run(
    ours: Start, journal: Journal, redis_client: redis.Redis, proxy: Proxy, rq_entry: object
) -> None:
    rq_entry(default=url_of(proxy))
    rule = proxy.cut_reply(rb"RPUSH")
    job = tasks.note.enqueue(journal.path, "job")
    assert rule.fired_count == 1
    row = Job.objects.get(id=job.id)
    assert row.published_at is None  # nobody knows, so the message counts as not sent
    # the message is there all the same; a second one joins it
    (waiting,) = redis_client.lrange("rq:queue:default", 0, -1)
    redis_client.rpush("rq:queue:default", waiting, f"{job.id}-2")
    get_transport().close()
    assert ours("jobs_worker", "--processes", "2", "--burst").wait(60) == 0
    succeeded_once(journal)
    assert redis_client.llen("rq:queue:default") == 0


@pytest.mark.one_ledger
def test_a_pool_asked_to_end_while_a_worker_starts_ends_at_once(ours: Start, journal: Journal, blow: Blow) -> None:
    tasks.note.enqueue(journal.path, "job")
    strike = ("jobs.worker.process:WorkerProcess.run", "before", "STOP")
    running = ours("jobs_worker", "--processes", "2", strike=strike)
    blow.wait()
    eventually(lambda: Worker.objects.living().exists(), 30)  # the one that was not struck
    (frozen,) = eventually(
        lambda: [each for each in psutil.Process(running.pid).children() if each.status() == psutil.STATUS_STOPPED]
    )
    running.send(signal.SIGTERM)
    eventually(lambda: Worker.objects.filter(state="stopped").exists())  # so the parent has passed it on
    frozen.resume()
    begun_at = time.monotonic()
    assert running.wait() == 0
    assert time.monotonic() - begun_at < 8
