"""Redis away, frozen, restarted or old; forks and many threads."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.connection import AbstractConnection

from jobs.errors import TransportUnavailable
from jobs.transports.rq import RQTransport
from queuehub.embedded import EmbeddedServer
from tests.support import eventually
from tests.transports.contract import drain, job_ids, messages


@pytest.fixture
def own_server(tmp_path: Path, rq_entry: Callable[..., None]) -> Iterator[EmbeddedServer]:
    """A Valkey that a test may stop and freeze."""
    server = EmbeddedServer(tmp_path / "own").start()
    rq_entry(default=server.url)
    yield server
    server.stop()


@pytest.fixture
def impatient(own_server: EmbeddedServer) -> Iterator[RQTransport]:
    made = RQTransport(timeout_seconds=0.5)
    yield made
    made.close()


def test_connections_killed_by_the_server_are_replaced(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    sent = messages(3)
    rq_transport.publish(sent)
    redis_client.client_kill_filter(_type="normal", skipme=True)
    assert drain(rq_transport) == job_ids(sent)


def test_a_connection_killed_in_mid_wait_is_an_error_and_no_loss(
    rq_transport: RQTransport, redis_client: redis.Redis
) -> None:
    problems: list[TransportUnavailable] = []

    def wait() -> None:
        try:
            rq_transport.receive(["default"], 1, 20)
        except TransportUnavailable as error:
            problems.append(error)

    receiver = threading.Thread(target=wait)
    receiver.start()
    while receiver.is_alive():
        redis_client.client_kill_filter(_type="normal", skipme=True)
        receiver.join(0.05)
    assert len(problems) == 1
    sent = messages(1)
    rq_transport.publish(sent)
    assert drain(rq_transport) == job_ids(sent)


def test_a_restarted_server_is_found_again(own_server: EmbeddedServer, impatient: RQTransport) -> None:
    impatient.publish(messages(2))
    own_server.stop()
    with pytest.raises(TransportUnavailable):
        impatient.receive(["default"], 1, 0.1)
    own_server.start()
    sent = messages(2)
    impatient.publish(sent)
    assert drain(impatient) == job_ids(sent)


def test_a_frozen_server_holds_nobody_for_longer_than_the_limit(
    own_server: EmbeddedServer, impatient: RQTransport
) -> None:
    impatient.ping()
    assert own_server.process is not None
    os.kill(own_server.process.pid, signal.SIGSTOP)
    attempts: list[Callable[[], Any]] = [
        lambda: impatient.receive(["default"], 1, 10),
        lambda: impatient.publish(messages(1)),
        lambda: impatient.depths(["default"]),
    ]
    try:
        for attempt in attempts:
            begun = time.monotonic()
            with pytest.raises(TransportUnavailable):
                attempt()
            assert time.monotonic() - begun < 2.5
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)


def test_after_one_time_out_nobody_waits_for_another(own_server: EmbeddedServer, impatient: RQTransport) -> None:
    impatient.ping()
    assert own_server.process is not None
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(TransportUnavailable, match="Timeout"):
            impatient.publish(messages(1))
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(TransportUnavailable, match="did not answer"):
                impatient.publish(messages(1))
        assert time.monotonic() - begun < 0.4
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)
    sent = messages(2)
    eventually(lambda: _publishes(impatient, sent), 5, "it is not found again")
    assert set(job_ids(sent)) <= set(drain(impatient))
    eventually(lambda: "redis-silence" not in {thread.name for thread in threading.enumerate()})


def _publishes(transport: RQTransport, sent: Any) -> bool:
    try:
        return not transport.publish(sent).failed
    except TransportUnavailable:
        return False


def test_a_server_that_refuses_at_once_is_asked_as_ever(own_server: EmbeddedServer, impatient: RQTransport) -> None:
    own_server.stop()
    for _ in range(3):
        with pytest.raises(TransportUnavailable, match="ConnectionError"):
            impatient.publish(messages(1))


def test_a_black_hole_holds_nobody_for_longer_than_the_limit(rq_entry: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        rq_entry(default=f"redis://127.0.0.1:{mute.getsockname()[1]}/0")
        transport = RQTransport(timeout_seconds=0.5)
        begun = time.monotonic()
        with pytest.raises(TransportUnavailable):
            transport.receive(["default"], 1, 10)
        assert time.monotonic() - begun < 2.5
        transport.close()


def test_a_full_server_refuses_and_leaves_the_messages_in_the_ledger(
    own_server: EmbeddedServer, impatient: RQTransport
) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", 1)
        sent = messages(3)
        assert impatient.publish(sent).failed == tuple(sent)
        client.config_set("maxmemory", 0)
        assert client.keys("rq:job:*") == []
    assert impatient.publish(sent).failed == ()


def test_a_server_without_blmpop_is_served_in_steps(redis_client: redis.Redis, rq_entry: Callable[..., None]) -> None:
    redis_client.acl_setuser(
        "old", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-blmpop", "-lmpop"]
    )
    path = redis_client.connection_pool.connection_kwargs["path"]
    rq_entry(default=f"unix://old@{path}")
    transport = RQTransport()
    sent = messages(5) + messages(3, priority=1)
    transport.publish(sent)
    assert job_ids(transport.receive(["default"], 2, 1)) == job_ids(sent[5:7])
    assert drain(transport) == job_ids([*sent[7:], *sent[:5]])
    waiter_found: list[Any] = []
    waiter = threading.Thread(target=lambda: waiter_found.extend(transport.receive(["default"], 5, 10)))
    waiter.start()
    transport.publish(sent[:2])
    waiter.join(10)
    assert job_ids(waiter_found + transport.receive(["default"], 5, 0)) == job_ids(sent[:2])
    transport.close()
    redis_client.acl_deluser("old")


def test_a_forked_child_uses_connections_of_its_own(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    sent = messages(20)
    rq_transport.publish(sent[:10])
    before = {client["id"] for client in redis_client.client_list()}
    child = os.fork()
    if child == 0:
        status = 1
        try:
            rq_transport.publish(sent[10:])
            mine = {client["id"] for client in redis_client.client_list()} - before
            status = 0 if mine else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert drain(rq_transport) == job_ids(sent)
    assert before <= {client["id"] for client in redis_client.client_list()}


def test_sixty_four_threads_share_sixteen_connections(redis_client: redis.Redis, rq_transport: RQTransport) -> None:
    before = len(redis_client.client_list())
    start = threading.Barrier(64)

    def publish() -> None:
        start.wait()
        for message in messages(5):
            rq_transport.publish([message])

    threads = [threading.Thread(target=publish) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert rq_transport.depths(["default"]) == {"default": 320}
    assert len(redis_client.client_list()) - before <= 16
    rq_transport.close()
    eventually(lambda: len(redis_client.client_list()) == before)


def test_queues_on_two_servers_are_both_served(
    own_server: EmbeddedServer,
    redis_client: redis.Redis,
    valkey: EmbeddedServer,
    rq_entry: Callable[..., None],
) -> None:
    rq_entry(default=valkey.url, far=own_server.url)
    transport = RQTransport(timeout_seconds=1)
    near, far = messages(2), messages(2, "far")
    assert transport.publish(near + far).depths == {"default": 2, "far": 2}
    assert redis_client.llen("rq:queue:far") == 0
    assert drain(transport, "default", "far") == job_ids(near + far)
    own_server.stop()
    assert transport.publish(near + far).failed == tuple(far)
    assert job_ids(transport.receive(["far", "default"], 5, 1)) == job_ids(near)
    transport.close()


def test_a_message_costs_less_than_a_kilobyte_of_redis(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    def used() -> int:
        return int(redis_client.info("memory")["used_memory"])

    rq_transport.publish(messages(1))
    before = used()
    rq_transport.publish(messages(2000))
    assert (used() - before) / 2000 < 1000


def test_a_publish_that_is_interrupted_leaves_no_reply_for_the_next_request(
    rq_transport: RQTransport, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt  # before the reply has come, as a soft limit may do

    rq_transport.publish(messages(1))
    redis_client.client_pause(200)
    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "read_response", stop)
        with pytest.raises(KeyboardInterrupt):
            rq_transport.publish(messages(3))
    assert rq_transport.depths(["default"])["default"] in (1, 4)
