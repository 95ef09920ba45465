"""What is done to Redis while a site works.

Every function takes a site, does its harm for `seconds`, ends it, and returns how often it struck. None needs a proxy
but those that say so.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import redis

from tests.faults.proxy import Proxy
from tests.faults.site import Site

LIST_KEY, BUSY_CHANNEL = "rq:queue:default", "queuehub:events"


# -- away -----------------------------------------------------------------------------------------------
def be_shut_down(site: Site, seconds: float = 3.0) -> int:
    """kill -9, which saves nothing, and a start with an empty memory."""
    site.broker.stop()
    site.rest(seconds)
    site.broker.start()
    return 1


def be_flushed(site: Site, seconds: float = 10.0, every_seconds: float = 0.5) -> int:
    """FLUSHALL again and again."""
    count = 0
    with site.broker.client() as client:
        for _ in site.each(every_seconds, seconds):
            count += bool(client.flushall())
    return count


def freeze(site: Site, seconds: float = 6.0) -> int:
    """Stop the process and let it go on: connections stay open, requests wait in the kernel."""
    site.broker.send(signal.SIGSTOP)
    site.rest(seconds)
    site.broker.send(signal.SIGCONT)
    return 1


def kill_connections(site: Site, seconds: float = 10.0) -> int:
    """CLIENT KILL of all others each second; return how many there were."""
    count = 0
    with site.broker.client() as client:
        for _ in site.each(1.0, seconds):
            count += int(client.client_kill_filter(_type="normal", skipme=True))
            count += int(client.client_kill_filter(_type="pubsub", skipme=True))
    return count


# -- the network; through a proxy -------------------------------------------------------------------------
def proxy_of(site: Site) -> Proxy:
    """Return the proxy before Redis."""
    assert site.broker_proxy is not None, "make_site(is_proxied=True)"
    return site.broker_proxy


def be_a_black_hole(site: Site, seconds: float = 10.0) -> int:
    """Swallow everything on open and on new connections; return how many were open. Through the proxy."""
    proxy = proxy_of(site)
    count = proxy.connection_count
    proxy.black_hole()
    site.rest(seconds)
    proxy.pass_on()
    return count


def cut_replies(site: Site, seconds: float, pattern: bytes, reply: bytes = b"", every: int = 20) -> int:
    """Lose the reply to each N-th request of a kind, with its connection; through the proxy."""
    rule = proxy_of(site).cut_reply(pattern, every=every, reply=reply)
    site.rest(seconds)
    rule.stop()
    return rule.fired_count


def be_far_away(site: Site, seconds: float = 10.0) -> int:
    """Latency, lost packets and now and then a reset; through the proxy. Return how many connections were reset."""
    proxy = proxy_of(site)
    before = proxy.accepted_count
    proxy.delay(0.005, jitter_seconds=0.01)
    proxy.loss(0.03, retransmission_seconds=0.3, reset_probability=0.002)
    site.rest(seconds)
    proxy.heal()
    return proxy.accepted_count - before


# -- what stands in it ------------------------------------------------------------------------------------
def be_full(site: Site, seconds: float = 10.0) -> int:
    """Reach a limit of memory with junk, without eviction; return how many commands were refused."""
    with site.broker.client() as client:
        for number in range(50):
            client.set(f"junk:{number}", b"x" * 20_000)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 100_000)
        before = _refused_count(client)
        site.rest(seconds)
        count = _refused_count(client) - before
        client.config_set("maxmemory", 0)
        client.delete(*client.keys("junk:*"))
    return count


def _refused_count(client: redis.Redis) -> int:
    return int(client.info("errorstats").get("errorstat_OOM", {}).get("count", 0))


def evict(site: Site, policy: str, seconds: float = 10.0) -> int:
    """Press our keys out of a small memory by junk, all the time; return how many of ours went."""
    with site.broker.client() as client, _evictions(client) as evicted:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 400_000)
        for turn in site.each(0.1, seconds):
            for number in range(60):
                client.set(f"junk:{turn}:{number}", b"x" * 20_000)
        client.config_set("maxmemory", 0)
        client.delete(*client.keys("junk:*"))
    return sum(key.startswith(b"rq:") for key in evicted)


@contextmanager
def _evictions(client: redis.Redis) -> Iterator[list[bytes]]:
    """Collect the keys that the server evicts."""
    evicted: list[bytes] = []
    is_over = Event()
    client.config_set("notify-keyspace-events", "Ee")
    channel = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # of redis-py
    channel.subscribe("__keyevent@0__:evicted")

    def listen() -> None:
        while not is_over.is_set():
            if message := channel.get_message(timeout=0.1):
                evicted.append(message["data"])

    listener = Thread(target=listen, daemon=True)
    listener.start()
    yield evicted
    is_over.set()
    listener.join()
    channel.close()
    client.config_set("notify-keyspace-events", "")


def put_garbage(site: Site, seconds: float = 10.0) -> int:
    """Put wrong types, forged ids and noise under every kind of key that is ours; return how many values."""
    count = 0
    waiting = "SELECT id, publish_seq FROM jobs_job WHERE state IN ('queued', 'retrying') LIMIT 20"
    with site.broker.client() as client:
        for number in site.each(0.5, seconds):
            wrong = {LIST_KEY, f"{LIST_KEY}-high", "rq:queues", "rq:workers", "rq:workers:default", BUSY_CHANNEL}
            wrong |= {key.decode() for pattern in ("rq:worker:*", "rq:job:*") for key in client.keys(pattern)[:20]}
            wrong |= {f"rq:job:{job_id}-{seq + 1}" for job_id, seq in site.ledger.query(waiting)}
            for key in wrong:
                client.set(key, b"\x80garbage\x00") if number % 2 else client.delete(key)
                with suppress(redis.ResponseError):  # it is not of this type either
                    client.zadd(key, {b"\xff": number})
            forged = ("00000000-0000-4000-8000-000000000000-1", b"\xff\xfe\x00", "a-plain-job", "x" * 5000, "")
            with suppress(redis.ResponseError):
                client.rpush(LIST_KEY, *forged)
            client.publish(BUSY_CHANNEL, b'{"kind": \xff')
            count += len(wrong) + len(forged)
    return count


def flush_scripts(site: Site, seconds: float = 10.0) -> int:
    """Make the server forget its scripts and functions each second; return how often it had one to forget."""
    count = 0
    with site.broker.client() as client:
        for number in site.each(1.0, seconds):
            known = client.script_load(f"return {number}")
            client.script_flush()
            client.function_flush()
            count += client.script_exists(known) == [False]
    return count
