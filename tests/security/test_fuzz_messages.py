"""Any bytes on Redis: a message of the ledger, an allowed plain job, or a counted drop; never an error."""

import json
import pickle
import zlib
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
import redis
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dashboards.feed import Feed
from jobs.errors import TransportUnavailable
from jobs.live import CHANNEL
from jobs.transports import rq_messages, rq_plain
from jobs.transports.rq import RQTransport
from tests.support import eventually
from tests.transports.rq_fixtures import rq_transport

__all__ = ["rq_transport"]

pytestmark = [pytest.mark.security]

on_a_server = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
ledger_ids = st.builds(lambda job_id, seq: f"{job_id}-{seq}".encode(), st.uuids(), st.integers(0, 10**12))
plain_ids = st.from_regex(rb"\A[A-Za-z0-9_-]{1,40}\Z")
odd_texts = st.text(max_size=60).map(lambda text: text.encode(errors="ignore"))
ids = st.binary(max_size=100) | odd_texts | ledger_ids | plain_ids
calls = st.tuples(st.text() | st.just("tests.rq.plain_functions.add"), st.none() | st.text(), st.lists(st.integers()),
                  st.dictionaries(st.text(), st.integers()))  # fmt: skip
bodies = (
    st.binary(max_size=200)
    | calls.map(lambda call: json.dumps(call).encode())
    | calls.map(lambda call: zlib.compress(json.dumps(call).encode()))
    | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner, max_size=5)).map(
        lambda value: json.dumps(value).encode()
    )
)
FIELDS = b"data status timeout result_ttl created_at meta dependency_id webhooks origin".split()


@given(ids)
@example(b"\x00" * 36 + b"-1")
@example("\u0660".encode() * 8)
def test_an_id_is_the_ledger_s_or_plain_or_neither(raw: bytes) -> None:
    job_id = rq_messages.job_id_of(raw)
    if job_id is not None:
        assert isinstance(job_id, UUID)
        assert raw.decode().startswith(f"{job_id}-")
        assert f"rq:job:{raw.decode()}" == rq_messages.hash_key(raw.decode())
    if rq_messages.is_plain_id(raw):
        assert raw.isascii()
        assert b"\n" not in raw


@on_a_server
@given(pushed=st.lists(ids, min_size=1, max_size=20))
def test_every_message_is_a_delivery_or_a_counted_drop(
    rq_transport: RQTransport, redis_client: redis.Redis, pushed: list[bytes]
) -> None:
    redis_client.delete("rq:queue:default")
    before = rq_transport.dropped_count
    redis_client.rpush("rq:queue:default", *pushed)
    deliveries = []
    while found := rq_transport.receive(["default"], 50, 0):
        deliveries += found
    # a batch of drops alone looks empty: ask on until the list is
    while redis_client.llen("rq:queue:default"):
        deliveries += rq_transport.receive(["default"], 50, 0)
    assert len(deliveries) + rq_transport.dropped_count - before == len(pushed)
    wanted = [rq_messages.job_id_of(raw) for raw in pushed]
    assert [delivery.job_id for delivery in deliveries] == [job_id for job_id in wanted if job_id]


@hypothesis_settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(FIELDS), bodies, max_size=5))
def test_a_plain_job_is_a_call_of_the_list_or_refused(fields: dict[bytes, bytes]) -> None:
    try:
        call = rq_plain.check(fields)
    except rq_plain.Refused:
        return
    raise AssertionError(f"{call} was allowed although no function is")


def test_an_allowed_call_is_read_compressed_or_not(settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "PLAIN_RQ_FUNCTIONS": ["tests.rq.plain_functions.add"]}
    text = b'["tests.rq.plain_functions.add", null, [1], {"b": 2}]'
    for body in (text, zlib.compress(text)):
        call = rq_plain.check({b"data": body})
        assert (call.args, call.kwargs) == ([1], {"b": 2})
    for body in (zlib.compress(b" " * 2_000_000 + text), b" " * 2_000_000 + text, pickle.dumps(text)):
        with pytest.raises(rq_plain.Refused):
            rq_plain.check({b"data": body})


@on_a_server
@given(fields=st.dictionaries(st.sampled_from(FIELDS), bodies, min_size=1, max_size=9))
def test_a_plain_job_of_any_fields_is_refused_and_counted(
    rq_transport: RQTransport, redis_client: redis.Redis, fields: dict[bytes, bytes]
) -> None:
    before = rq_transport.dropped_count
    redis_client.hset("rq:job:fuzzed", mapping={**fields, b"status": b"queued"})  # type: ignore[misc]
    redis_client.rpush("rq:queue:default", "fuzzed")
    assert rq_transport.receive(["default"], 5, 0) == []
    assert rq_transport.dropped_count == before + 1
    assert redis_client.hget("rq:job:fuzzed", "status") == b"failed"


@on_a_server
@given(value=st.binary(max_size=300), kind=st.sampled_from(["set", "list", "zset", "hash", "stream"]))
def test_any_value_under_any_of_our_keys_is_survived(
    rq_transport: RQTransport, redis_client: redis.Redis, value: bytes, kind: str
) -> None:
    for key in ("rq:queues", "rq:queue:default", "rq:queue:default-high", "rq:job:x", "rq:workers"):
        redis_client.delete(key)
        write: dict[str, Any] = {
            "set": lambda key=key: redis_client.set(key, value),
            "list": lambda key=key: redis_client.rpush(key, value),
            "zset": lambda key=key: redis_client.zadd(key, {value: 1}),
            "hash": lambda key=key: redis_client.hset(key, "f", value),
            "stream": lambda key=key: redis_client.xadd(key, {"f": value}),
        }
        write[kind]()
    for command in (
        lambda: rq_transport.queue_names(),
        lambda: rq_transport.receive(["default"], 5, 0),
        lambda: rq_transport.depths(["default"]),
        lambda: rq_transport.list_ids("default"),
        lambda: rq_transport.register_worker("w", ["default"], "idle"),
    ):
        with suppress(TransportUnavailable):  # the one error that a transport may raise, and its callers expect
            command()
    assert all(name.isascii() for name in rq_transport.queue_names())
    assert rq_transport.depths(["default"])["default"] <= 1


def test_garbage_on_the_channel_of_events_is_not_even_read(
    rq_transport: RQTransport, redis_client: redis.Redis
) -> None:
    heard: list[int] = []
    feed = Feed(lambda: heard.append(1))
    feed.start()
    try:
        eventually(lambda: _listener_count(redis_client) == 1)
        for garbage in (b"[" * 100_000, b'{"kind": "settled", "states": {"dead": 1e999}}', b"", b"\xff" * 50_000_000):
            redis_client.publish(CHANNEL, garbage)
        eventually(lambda: len(heard) >= 3, 30)
        # over the largest one the connection may have been given up; then it comes back by itself
        before = len(heard)
        eventually(lambda: redis_client.publish(CHANNEL, b"{}") and len(heard) > before + 1, 60)
    finally:
        feed.stop()
        feed.join(30)
    assert not feed.is_alive()


def _listener_count(client: redis.Redis) -> int:
    return int(dict(client.pubsub_numsub(CHANNEL)).get(CHANNEL.encode(), 0))
