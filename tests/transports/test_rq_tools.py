"""RQ's own tools see our messages and workers."""

import sys
from pathlib import Path

import redis
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from jobs.transports.rq import RQTransport
from queuehub.embedded import EmbeddedServer
from tests.support import Processes
from tests.transports.contract import messages

RQ = str(Path(sys.executable).with_name("rq"))


def test_a_message_is_a_native_rq_job(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    (message,) = messages(1, priority=3)
    rq_transport.publish([message])
    job = Job.fetch(message.id, connection=redis_client, serializer=JSONSerializer)
    assert job.func_name == "jobs.perform.perform"
    assert job.args == [str(message.job_id)]
    assert (job.kwargs, job.origin, job.timeout, job.result_ttl) == ({}, "default-high", -1, 0)
    assert (job.get_status(), job.description) == ("queued", "tests.tasks.nothing")
    assert job.created_at is not None
    assert job.enqueued_at is not None
    queue = Queue("default-high", connection=redis_client, serializer=JSONSerializer)
    assert queue.get_job_ids() == [message.id]
    assert {each.name for each in Queue.all(redis_client)} == {"default-high"}


def test_rq_info_shows_queues_and_workers(
    rq_transport: RQTransport, valkey: EmbeddedServer, processes: Processes
) -> None:
    rq_transport.publish(messages(3))
    rq_transport.register_worker("node-7", ["default"], "busy")
    info = processes.start(RQ, "info", "--url", valkey.url, "--raw")
    assert info.wait() == 0
    assert "queue default 3" in info.output
    assert "node-7" in info.output
    assert "busy" in info.output


def test_a_worker_is_shown_until_it_leaves_and_a_vanished_one_is_cleared_away(
    rq_transport: RQTransport, redis_client: redis.Redis
) -> None:
    rq_transport.register_worker("gone", ["default"], "idle")
    redis_client.delete("rq:worker:gone")
    rq_transport.register_worker("here", ["default"], "idle")
    assert redis_client.smembers("rq:workers:default") == {b"rq:worker:here"}
    assert 0 < redis_client.ttl("rq:worker:here") <= 60
    (worker,) = Worker.all(connection=redis_client)
    assert (worker.name, worker.get_state(), worker.queue_names()) == (
        "here",
        "idle",
        ["default-high", "default"],
    )
    rq_transport.unregister_worker("here", ["default"])
    assert redis_client.keys("rq:worker*") == []
