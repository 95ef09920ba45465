"""Plain RQ jobs on our queues: allowed by exact name, or refused unread."""

import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Callback, Queue, Repeat, Retry
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from jobs.transports.rq import RQTransport
from tests.rq import plain_functions
from tests.transports.contract import drain, job_ids, messages

HERE = "tests.rq.plain_functions"


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    names = ("add", "fail", "leave", "add_later", "wait", "alias_of_add", "partly", "operating_system.system")
    settings.QUEUEHUB = {
        **getattr(settings, "QUEUEHUB", {}),
        "PLAIN_RQ_FUNCTIONS": [f"{HERE}.{name}" for name in names] + [f"{HERE}.Holder.inside", "math.sqrt", "gone"],
    }


@pytest.fixture
def queue(redis_client: redis.Redis) -> Queue:
    return Queue("default", connection=redis_client, serializer=JSONSerializer)


def run_one(transport: RQTransport) -> None:
    (delivery,) = transport.receive(["default"], 10, 1)
    assert delivery.job_id is None
    assert delivery.plain is not None
    delivery.plain()
    transport.settle([delivery])


def assert_refused(transport: RQTransport, job: Job, reason: str) -> None:
    before = transport.dropped_count
    assert transport.receive(["default"], 10, 0) == []
    assert transport.dropped_count == before + 1
    assert job.id in FailedJobRegistry("default", job.connection).get_job_ids()
    assert job.connection.hget(job.key, "status") == b"failed"
    (result,) = Job.fetch(job.id, connection=job.connection, serializer=JSONSerializer).results()
    assert "QueueHub did not run this job" in result.exc_string
    assert reason in result.exc_string


def test_an_allowed_job_runs_and_its_enqueuer_sees_the_result(
    rq_transport: RQTransport, queue: Queue, redis_client: redis.Redis
) -> None:
    job = queue.enqueue(plain_functions.add, 2, b=3)
    run_one(rq_transport)
    job.refresh()
    assert (job.get_status(), job.return_value()) == ("finished", 5)
    assert job.id in FinishedJobRegistry("default", redis_client)
    assert 0 < redis_client.ttl(job.key) <= 500
    assert StartedJobRegistry("default", redis_client).get_job_ids() == []


def test_a_failing_job_ends_in_the_failed_registry_with_its_traceback(
    rq_transport: RQTransport, queue: Queue, redis_client: redis.Redis
) -> None:
    for function in (plain_functions.fail, plain_functions.leave):
        job = queue.enqueue(function)
        run_one(rq_transport)
        assert job.get_status() == "failed"
        assert job.id in FailedJobRegistry("default", redis_client).get_job_ids()
    first = FailedJobRegistry("default", redis_client).get_job_ids()
    texts = [Job.fetch(each, connection=redis_client, serializer=JSONSerializer).latest_result() for each in first]
    assert any("plainly wrong" in text.exc_string for text in texts)


def test_coroutines_methods_of_the_library_and_timeouts_work(rq_transport: RQTransport, queue: Queue) -> None:
    jobs = [queue.enqueue(plain_functions.add_later, 1, 2), queue.enqueue("math.sqrt", 9)]
    for delivery in rq_transport.receive(["default"], 10, 1):
        assert delivery.plain is not None
        delivery.plain()
    assert [job.return_value() for job in jobs] == [3, 3.0]
    slow = queue.enqueue(plain_functions.wait, 30, job_timeout=1)
    run_one(rq_transport)
    assert slow.get_status() == "failed"
    assert "took longer than 1 s" in slow.latest_result().exc_string


def test_a_job_without_result_lifetime_vanishes(rq_transport: RQTransport, queue: Queue) -> None:
    job = queue.enqueue(plain_functions.add, 1, result_ttl=0)
    run_one(rq_transport)
    assert not queue.connection.exists(job.key)


def test_plain_jobs_and_ledger_messages_share_a_batch(rq_transport: RQTransport, queue: Queue) -> None:
    sent = messages(2)
    rq_transport.publish(sent[:1])
    queue.enqueue(plain_functions.add, 1)
    rq_transport.publish(sent[1:])
    batch = rq_transport.receive(["default"], 10, 1)
    assert [delivery.plain is None for delivery in batch].count(False) == 1
    assert job_ids(each for each in batch if each.plain is None) == job_ids(sent)


def test_a_dead_worker_s_job_is_found_in_the_started_registry_and_then_failed(
    rq_transport: RQTransport, queue: Queue, redis_client: redis.Redis
) -> None:
    job = queue.enqueue(plain_functions.add, 1, job_timeout=10)
    rq_transport.receive(["default"], 10, 1)
    registry = StartedJobRegistry("default", redis_client, serializer=JSONSerializer)
    assert registry.get_job_ids() == [job.id]
    assert job.get_status() == "started"
    ((member, _),) = redis_client.zrange(registry.key, 0, -1, withscores=True)
    redis_client.zadd(registry.key, {member: 1})
    registry.cleanup()
    assert job.get_status() == "failed"


def test_a_returned_job_waits_again(rq_transport: RQTransport, queue: Queue, redis_client: redis.Redis) -> None:
    job = queue.enqueue(plain_functions.add, 4)
    batch = rq_transport.receive(["default"], 10, 1)
    rq_transport.settle([], batch)
    assert (job.get_status(), queue.get_job_ids()) == ("queued", [job.id])
    assert StartedJobRegistry("default", redis_client).get_job_ids() == []
    run_one(rq_transport)
    assert job.return_value() == 4


def test_a_replayed_job_does_not_run_again(rq_transport: RQTransport, queue: Queue) -> None:
    job = queue.enqueue(plain_functions.add, 4)
    run_one(rq_transport)
    queue.push_job_id(job.id)
    assert rq_transport.receive(["default"], 10, 0) == []
    assert job.get_status() == "finished"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("os.system", "PLAIN_RQ_FUNCTIONS"),
        (f"{HERE}.write", "PLAIN_RQ_FUNCTIONS"),
        (f"{HERE}.add.__call__", "PLAIN_RQ_FUNCTIONS"),
        ("eval", "PLAIN_RQ_FUNCTIONS"),
        (f"{HERE}.operating_system.system", "cannot be imported"),
        (f"{HERE}.alias_of_add", "is not a function of that name"),
        (f"{HERE}.partly", "is not a function of that name"),
        (f"{HERE}.Holder.inside", "cannot be imported"),
        ("gone", "cannot be imported"),
    ],
)
def test_any_other_function_is_refused(rq_transport: RQTransport, queue: Queue, name: str, reason: str) -> None:
    assert_refused(rq_transport, queue.enqueue(name, "touch /tmp/queuehub-was-here"), reason)


def touch(job: Job, *_: object) -> None:
    raise AssertionError("a callback ran")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"on_success": Callback(touch)}, "a success callback"),
        ({"on_failure": Callback(touch)}, "a failure callback"),
        ({"on_stopped": Callback(touch)}, "a stopped callback"),
        ({"webhooks": [Webhook("https://example.org/", "finished")]}, "a webhook"),
        ({"repeat": Repeat(times=2)}, "a repeat"),
        ({"retry": Retry(max=2)}, "a retry"),
    ],
)
def test_a_job_that_carries_more_than_a_call_is_refused(
    rq_transport: RQTransport, queue: Queue, options: dict[str, Any], reason: str
) -> None:
    assert_refused(rq_transport, queue.enqueue(plain_functions.add, 1, **options), reason)


def test_a_dependent_job_is_released_and_refused(rq_transport: RQTransport, queue: Queue) -> None:
    first = queue.enqueue(plain_functions.add, 1)
    second = queue.enqueue(plain_functions.add, 2, depends_on=first)
    run_one(rq_transport)
    assert_refused(rq_transport, second, "a dependency")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("field", ["data", "meta", "result", "exc_info"])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_a_pickle_is_never_loaded(
    rq_transport: RQTransport, queue: Queue, tmp_path: Path, field: str, is_compressed: bool
) -> None:
    pickled = pickle.dumps(Bomb(tmp_path / "hole"))
    job = queue.enqueue(plain_functions.add, 1)
    queue.connection.hset(job.key, field, zlib.compress(pickled) if is_compressed else pickled)
    for delivery in rq_transport.receive(["default"], 10, 0):
        assert delivery.plain is not None
        delivery.plain()
    if field == "data":
        assert queue.connection.hget(job.key, "status") == b"failed"
    assert not (tmp_path / "hole").exists()


def body(text: bytes) -> dict[str, Any]:
    return {"data": text}


@pytest.mark.parametrize(
    "fields",
    [
        body(b""),
        body(b"null"),
        body(b"[]"),
        body(b'["tests.rq.plain_functions.add"]'),
        body(b'[["tests.rq.plain_functions.add"], null, [], {}]'),
        body(b'["tests.rq.plain_functions.add", {"a": 1}, [], {}]'),
        body(b'["tests.rq.plain_functions.add", null, {}, []]'),
        body(b"[" * 100_000),
        body(zlib.compress(b"[" + b" " * 20_000_000)),
        body(b'{"a": NaN}'),
        {"timeout": "soon"},
        {"timeout": "9" * 30},
        {"created_at": b"\xff"},
        {"result_ttl": "x"},
    ],
)
def test_a_damaged_job_is_refused_and_stops_nobody(
    rq_transport: RQTransport, queue: Queue, fields: dict[str, Any]
) -> None:
    job, good = queue.enqueue(plain_functions.add, 1), messages(1)
    queue.connection.hset(job.key, mapping=fields)
    rq_transport.publish(good)
    assert drain(rq_transport) == job_ids(good)
    assert queue.connection.hget(job.key, "status") == b"failed"
    assert job.id in FailedJobRegistry("default", queue.connection).get_job_ids()


def test_an_id_without_a_job_is_dropped(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    redis_client.set("rq:job:string", "x")
    redis_client.rpush("rq:queue:default", "nobody", "string")
    assert rq_transport.receive(["default"], 10, 0) == []
    assert rq_transport.dropped_count == 2
