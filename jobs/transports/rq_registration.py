"""Our workers in RQ's own books, so that `rq info`, `manage.py rqstats` and django-rq's pages show them."""

import os
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from redis import Redis
from rq.defaults import RQ_KEY_PREFIX
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.version import VERSION
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY, clean_worker_registry

from jobs.transports.rq_messages import bands

LIFETIME_SECONDS = 60
"""When a worker that no longer reports vanishes from the books."""


def _worker_key(name: str) -> str:
    return f"{RQ_KEY_PREFIX}:worker:{name}"


def register(client: "Redis", name: str, queues: Sequence[str], state: str) -> None:
    """Write or refresh a worker; a new one clears its queues of workers that vanished without a word."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    rq_queues = [rq_queue for queue in queues for rq_queue in bands(queue)]
    key = _worker_key(name)
    known = set(_queues_of(client, key))
    pipe = client.pipeline(transaction=False)
    for rq_queue in known.difference(rq_queues):
        pipe.srem(WORKERS_BY_QUEUE_KEY % rq_queue, key)
    pipe.hsetnx(key, "birth", now)
    pipe.hset(
        key,
        mapping={
            "last_heartbeat": now,
            "state": state,
            "queues": ",".join(rq_queues),
            "pid": os.getpid(),
            "hostname": socket.gethostname(),
            "ip_address": "unknown",
            "version": VERSION,
            "python_version": sys.version,
        },
    )
    pipe.expire(key, LIFETIME_SECONDS)
    pipe.sadd(REDIS_WORKER_KEYS, key)
    for rq_queue in rq_queues:
        pipe.sadd(WORKERS_BY_QUEUE_KEY % rq_queue, key)
    pipe.execute()
    if not known:
        for rq_queue in rq_queues:
            clean_worker_registry(Queue(rq_queue, connection=client, serializer=JSONSerializer))


def unregister(client: "Redis", name: str) -> None:
    """Remove a worker."""
    key = _worker_key(name)
    pipe = client.pipeline(transaction=False)
    for rq_queue in _queues_of(client, key):
        pipe.srem(WORKERS_BY_QUEUE_KEY % rq_queue, key)
    pipe.delete(key)
    pipe.srem(REDIS_WORKER_KEYS, key)
    pipe.execute()


def _queues_of(client: "Redis", key: str) -> list[str]:
    """Return the RQ queues for which a worker is in the books."""
    known: Any = client.hget(key, "queues")
    return known.decode(errors="replace").split(",") if known else []
