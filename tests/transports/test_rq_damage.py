"""What others write under RQ's keys: it runs nothing, and the worker goes on."""

from uuid import uuid4

import pytest
import redis

from jobs.transports.rq import RQTransport
from tests.transports.contract import drain, job_ids, messages

GARBAGE = [
    b"",
    b"\xff\xfe\x00",
    b"no such thing",
    b"../../etc/passwd",
    b"\x80\x04K\x01.",
    b"x" * 100_000,
    str(uuid4()).upper().encode() + b"-1",
    str(uuid4()).encode() + b"-1\n",
    str(uuid4()).encode() + b"-99999999999",
    str(uuid4()).encode() + "-\u0661".encode(),
]


def test_garbage_among_good_messages_is_dropped_and_counted(
    rq_transport: RQTransport, redis_client: redis.Redis
) -> None:
    before, after = messages(3), messages(3)
    rq_transport.publish(before)
    redis_client.rpush("rq:queue:default", *GARBAGE)
    rq_transport.publish(after)
    assert drain(rq_transport) == job_ids(before + after)
    assert rq_transport.dropped_count == len(GARBAGE)


def test_only_ids_of_ledger_messages_are_listed(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    sent = messages(2)
    rq_transport.publish(sent)
    redis_client.rpush("rq:queue:default", *GARBAGE)
    assert rq_transport.list_ids("default") == {message.id for message in sent}


def test_a_message_is_delivered_whatever_its_hash_holds(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    sent = messages(4)
    rq_transport.publish(sent)
    keys = [f"rq:job:{message.id}" for message in sent]
    redis_client.delete(keys[0], keys[1], keys[2])
    redis_client.set(keys[1], "a string")
    redis_client.hset(keys[2], mapping={"data": b"\x80\x04garbage", "meta": b"\x80\x04garbage"})
    assert drain(rq_transport) == job_ids(sent)
    assert redis_client.exists(*keys) == 0


@pytest.mark.parametrize("band", ["default", "default-high"])
def test_a_list_of_a_wrong_type_is_set_aside_and_the_queue_works_again(
    rq_transport: RQTransport, redis_client: redis.Redis, band: str
) -> None:
    redis_client.set(f"rq:queue:{band}", "not a list")
    redis_client.set("rq:queue:other", "not a list")
    sent = messages(2, "second")
    rq_transport.publish(sent)
    assert rq_transport.receive(["default", "second"], 5, 0) == []
    assert job_ids(rq_transport.receive(["default", "second"], 5, 0)) == job_ids(sent)
    assert redis_client.get(f"rq:wrong-type:rq:queue:{band}") == b"not a list"
    assert rq_transport.dropped_count == 1
    assert redis_client.get("rq:queue:other") == b"not a list"


def test_publishing_to_a_list_of_a_wrong_type_fails_once_and_leaves_no_hash(
    rq_transport: RQTransport, redis_client: redis.Redis
) -> None:
    redis_client.hset("rq:queue:default", "a", "hash")
    refused, fine = messages(2), messages(2, "second")
    assert set(rq_transport.publish(refused + fine).failed) == set(refused)
    assert len(redis_client.keys("rq:job:*")) == 2
    assert rq_transport.publish(refused).failed == ()
    assert drain(rq_transport) == job_ids(refused)


def test_depths_and_listing_survive_wrong_types(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    for command in (
        lambda: rq_transport.depths(["default"]) == {"default": 0},
        lambda: rq_transport.list_ids("default") == set(),
    ):
        redis_client.set("rq:queue:default", "not a list")
        assert command()
        assert not redis_client.exists("rq:queue:default")


def test_the_set_of_queue_names_is_repaired(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    redis_client.set("rq:queues", "not a set")
    assert rq_transport.queue_names() == {"default"}
    rq_transport.publish(messages(1, "mail"))
    redis_client.sadd("rq:queues", b"rq:queue:\xff", "rq:queue:a b", "rq:queue:" + "x" * 200)
    assert rq_transport.queue_names() == {"default", "mail"}
    redis_client.sadd("rq:queues", *(f"rq:queue:{number}" for number in range(2000)))
    assert len(rq_transport.queue_names()) <= 1001
