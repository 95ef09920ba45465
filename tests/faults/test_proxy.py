"""The proxy does to connections what its methods say, before a real Valkey and a real PostgreSQL."""

import re
import socket
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
import redis

from queuehub.embedded import EmbeddedServer
from tests.faults.proxy import Proxy
from tests.servers import PostgreSQL
from tests.support import eventually

NO_RETRY = redis.retry.Retry(redis.backoff.NoBackoff(), 0)


@pytest.fixture
def proxy(valkey: EmbeddedServer, redis_client: redis.Redis) -> Iterator[Proxy]:
    """A proxy before the private Valkey."""
    with Proxy(valkey.socket_path) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[redis.Redis]:
    """A client that goes through the proxy, gives up after a third of a second and never tries again."""
    with redis.Redis(port=proxy.port, retry=NO_RETRY, socket_timeout=0.3) as connected:
        connected.ping()
        yield connected


@pytest.fixture
def ledger(postgresql_cluster: PostgreSQL) -> Iterator[tuple[Proxy, psycopg.Connection]]:
    """A proxy before the private PostgreSQL, and an autocommitting connection through it."""
    with Proxy(postgresql_cluster.directory / ".s.PGSQL.5432") as running, _connection(running) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS proxied (id int PRIMARY KEY)")
        connection.execute("DELETE FROM proxied")
        yield running, connection


def _connection(proxy: Proxy) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=proxy.port, user="queuehub", dbname="postgres", autocommit=True, connect_timeout=5
    )


def _raw(proxy: Proxy) -> socket.socket:
    """Return a connection through the proxy that has been answered once."""
    raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    raw.sendall(b"PING\r\n")
    assert raw.recv(64) == b"+PONG\r\n"
    return raw


def test_what_goes_in_comes_out_whole_and_in_order(client: redis.Redis) -> None:
    value = bytes(range(256)) * 40_000

    client.set("large", value)

    assert client.get("large") == value


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_cut_closes_connections_and_lets_new_ones_in(proxy: Proxy, is_reset: bool) -> None:
    with _raw(proxy) as raw:
        assert proxy.cut(is_reset=is_reset) == 1

        if is_reset:
            with pytest.raises(ConnectionResetError):
                raw.recv(1)
        else:
            assert raw.recv(1) == b""
    _raw(proxy).close()
    assert proxy.accepted_count == 2


def test_a_closed_client_leaves_nothing_behind(client: redis.Redis, proxy: Proxy) -> None:
    client.close()

    eventually(lambda: proxy.connection_count == 0)


def test_a_closed_port_refuses_and_keeps_what_is_open(client: redis.Redis, proxy: Proxy) -> None:
    proxy.refuse()

    assert client.ping()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))
    proxy.accept()
    socket.create_connection(("127.0.0.1", proxy.port)).close()


def test_a_black_hole_swallows_until_it_ends(client: redis.Redis, proxy: Proxy) -> None:
    proxy.black_hole()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    with socket.create_connection(("127.0.0.1", proxy.port)) as late:
        late.settimeout(0.2)
        late.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            late.recv(64)

        proxy.pass_on()

        late.settimeout(5)
        assert late.recv(64) == b"+PONG\r\n"
    assert client.ping()


def test_frozen_connections_stand_still_while_new_ones_work(client: redis.Redis, proxy: Proxy) -> None:
    assert proxy.freeze_existing() == 1

    with pytest.raises(redis.TimeoutError):
        client.ping()
    with redis.Redis(port=proxy.port) as new:
        assert new.ping()


def test_a_delay_counts_each_way_and_keeps_the_order(proxy: Proxy) -> None:
    proxy.delay(0.05, jitter_seconds=0.03)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as raw:
        begun = time.monotonic()
        for number in range(10):
            raw.sendall(b"ECHO %d\r\n" % number)
        replies = b""
        while replies.count(b"$") < 10 or not replies.endswith(b"\r\n"):
            replies += raw.recv(4096)

        assert 0.1 <= time.monotonic() - begun < 0.6
    assert re.findall(rb"\$1\r\n(\d)", replies) == [b"%d" % number for number in range(10)]


def test_loss_shows_as_stalls_and_resets(client: redis.Redis, proxy: Proxy) -> None:
    proxy.loss(1.0, retransmission_seconds=0.1)
    begun = time.monotonic()
    client.ping()
    assert time.monotonic() - begun >= 0.2

    proxy.loss(0.0, reset_probability=1.0)
    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_narrow_road_takes_its_time(client: redis.Redis, proxy: Proxy) -> None:
    proxy.bandwidth(100_000)
    begun = time.monotonic()

    client.set("key", b"x" * 20_000)

    assert 0.2 <= time.monotonic() - begun < 1


def test_a_cut_reply_leaves_the_work_done(client: redis.Redis, proxy: Proxy, redis_client: redis.Redis) -> None:
    cut = proxy.cut_reply(rb"RPUSH")

    with pytest.raises(redis.ConnectionError):
        client.rpush("list", "first")

    assert redis_client.lrange("list", 0, -1) == [b"first"]
    assert cut.fired_count == 1
    assert client.rpush("list", "second") == 2


def test_a_pattern_may_straddle_reads(proxy: Proxy, redis_client: redis.Redis) -> None:
    cut = proxy.cut_reply(rb"INCR counter")
    with _raw(proxy) as raw:
        raw.sendall(b"PING\r\nIN")
        assert raw.recv(64) == b"+PONG\r\n"
        raw.sendall(b"CR coun")
        raw.sendall(b"ter\r\n")

        assert raw.recv(64) == b""
    assert redis_client.get("counter") == b"1"
    assert cut.fired_count == 1


def test_each_third_reply_is_cut_until_the_end(client: redis.Redis, proxy: Proxy, redis_client: redis.Redis) -> None:
    cut = proxy.cut_reply(rb"INCR", every=3)
    lost = 0
    for _ in range(9):
        try:
            client.incr("counter")
        except redis.ConnectionError:
            lost += 1

    assert (lost, cut.matched_count, cut.fired_count) == (3, 9, 3)
    assert redis_client.get("counter") == b"9"
    proxy.heal()
    assert [client.incr("counter") for _ in range(3)] == [10, 11, 12]


def test_only_replies_that_hold_something_are_cut(
    client: redis.Redis, proxy: Proxy, redis_client: redis.Redis
) -> None:
    cut = proxy.cut_reply(rb"BLMPOP", reply=rb"job")
    assert client.blmpop(0.05, 1, "list", direction="LEFT") is None
    threading.Timer(0.05, redis_client.rpush, ("list", "job")).start()

    with pytest.raises(redis.ConnectionError):
        client.blmpop(0.25, 1, "list", direction="LEFT")

    assert cut.fired_count == 1
    assert redis_client.llen("list") == 0


def test_a_statement_whose_reply_is_cut_is_committed(ledger: tuple[Proxy, psycopg.Connection]) -> None:
    proxy, connection = ledger
    cut = proxy.cut_reply(rb"INSERT INTO proxied")

    with pytest.raises(psycopg.OperationalError):
        # the reply is large and starts to come while the statement still runs
        connection.execute(
            "INSERT INTO proxied SELECT generate_series(1, %s) RETURNING id, repeat('x', 100)", [20_000]
        )

    assert cut.fired_count == 1
    with _connection(proxy) as other:
        row = other.execute("SELECT count(*) FROM proxied").fetchone()
    assert row == (20_000,)


def test_a_commit_whose_reply_is_cut_has_happened(ledger: tuple[Proxy, psycopg.Connection]) -> None:
    proxy, connection = ledger
    connection.autocommit = False
    connection.execute("INSERT INTO proxied VALUES (1)")
    proxy.cut_reply(rb"COMMIT")

    with pytest.raises(psycopg.OperationalError):
        connection.commit()

    with _connection(proxy) as other:
        assert other.execute("SELECT id FROM proxied").fetchall() == [(1,)]


def test_a_stopped_proxy_can_be_stopped_again(valkey: EmbeddedServer) -> None:
    proxy = Proxy(valkey.socket_path).start()
    waiting = _raw(proxy)
    proxy.black_hole()

    proxy.stop()
    proxy.stop()

    assert waiting.recv(1) == b""
    waiting.close()


def test_the_server_may_be_a_host_and_a_port(proxy: Proxy) -> None:
    with Proxy(("127.0.0.1", proxy.port)) as before:
        _raw(before).close()
