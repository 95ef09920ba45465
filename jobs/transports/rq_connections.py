"""Connections to Redis: one bounded pool per process and connection entry of RQ_QUEUES.

Every wait has a limit, so that a Redis which swallows packets cannot hang a worker, and nothing is retried
behind our back: a retried pop would take a second batch and lose the first. After a fork the child drops what
it inherited and never closes it, for closing may write on a socket that the parent still uses.
"""

import os
import socket
import threading
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django_rq.connection_utils import filter_connection_params, get_redis_connection
from redis import BlockingConnectionPool, Redis, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool
from rq.connections import get_connection_kwargs

from jobs.transports.rq_silence import Silence


class Server(Redis):
    """The client for one server, with what is known of its silence."""

    silence: Silence


_inherited: list[dict[str, Server]] = []
"""Connections of a parent process, kept so that they are not closed."""


def speaking(server: Server) -> AbstractContextManager[None]:
    """Turn whatever goes wrong on the way to Redis into `TransportUnavailable`; see `Silence.heed`."""
    return server.silence.heed(server)


def is_wrong_type(reply: object) -> bool:
    """Say whether a reply is the error for a key that holds another type than its command expects."""
    return isinstance(reply, RedisError) and str(reply).startswith("WRONGTYPE")


class Connections:
    """The clients of this process, by queue. Safe for threads and across forks."""

    def __init__(self, limit: int, timeout_seconds: float) -> None:
        self._limit = limit
        self._timeout_seconds = timeout_seconds
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._clients: dict[str, Server] = {}
        self._finalizer = weakref.finalize(self, _close, self._clients, self._pid)

    def of(self, queue: str) -> Server:
        """Return the client for a queue; one that RQ_QUEUES does not name stands where "default" does.

        Raises: ImproperlyConfigured.
        """
        if self._pid != os.getpid():
            _inherited.append(self._clients)
            self._start()
        entry = _entry(queue)
        name = repr(sorted((key, repr(value)) for key, value in entry.items()))
        client = self._clients.get(name)
        if client is None:
            with self._lock:
                client = self._clients.get(name) or self._clients.setdefault(name, self._connect(entry))
        return client

    def all(self) -> list[Server]:
        """Return one client for every distinct server of RQ_QUEUES."""
        return list({id(client): client for client in map(self.of, configured_queues())}.values())

    def close(self) -> None:
        """Close every connection of this process; the next use opens new ones."""
        self._finalizer()
        self._start()

    def _connect(self, entry: dict[str, Any]) -> Server:
        model = get_redis_connection(entry)
        pool = model.connection_pool
        limits: dict[str, Any] = {
            "socket_timeout": self._timeout_seconds,
            "socket_connect_timeout": self._timeout_seconds,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_timeout": False,
            "retry_on_error": [],
            "decode_responses": False,
        }
        if not issubclass(pool.connection_class, UnixDomainSocketConnection):
            limits["socket_keepalive"] = True
            limits["socket_keepalive_options"] = _keepalive(self._timeout_seconds)
        if isinstance(pool, SentinelConnectionPool):
            # its connections ask this very pool for the master's address, so it stays; it has no queue to wait in
            # for a connection, and keeps redis-py's own bound
            pool.connection_kwargs.update(limits)
            for sentinel in pool.sentinel_manager.sentinels:
                sentinel.connection_pool.connection_kwargs.update(limits)
        else:
            make: Any = BlockingConnectionPool
            pool = make(
                max_connections=self._limit,
                timeout=self._timeout_seconds,
                connection_class=pool.connection_class,
                **get_connection_kwargs(model) | limits,
            )
        server = Server(connection_pool=pool)
        server.silence = Silence()
        return server


def _close(clients: dict[str, Server], pid: int) -> None:
    if pid != os.getpid():
        _inherited.append(dict(clients))
        return
    for client in clients.values():
        client.silence.end()
        client.connection_pool.disconnect()


def configured_queues() -> Mapping[str, dict[str, Any]]:
    """Return RQ_QUEUES.

    Raises: ImproperlyConfigured if it has no entry "default".
    """
    queues: Mapping[str, dict[str, Any]] = getattr(settings, "RQ_QUEUES", {})
    if "default" not in queues:
        raise ImproperlyConfigured('RQ_QUEUES needs an entry "default": queues without an entry use its server')
    return queues


def _entry(queue: str) -> dict[str, Any]:
    queues = configured_queues()
    config = queues.get(queue) or queues["default"]
    more = ("USERNAME", "REDIS_CLIENT_KWARGS", "SENTINEL_KWARGS")
    extra = {key: config[key] for key in more if key in config}
    return filter_connection_params(config) | extra


def _keepalive(seconds: float) -> dict[int, int]:
    """Return the socket options by which the kernel ends a dead connection; the last is in milliseconds."""
    wanted = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": int(seconds * 1e3)}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}
