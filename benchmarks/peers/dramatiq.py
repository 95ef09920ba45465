"""Dramatiq on its Redis broker."""

import os
from collections.abc import Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks import work as functions
from benchmarks.adapter import Adapter, Call, program

broker = RedisBroker(url=os.environ["REDIS_URL"])
dramatiq.set_broker(broker)
ACTORS = {function.__name__: dramatiq.actor(function) for function in functions.FUNCTIONS}


class Dramatiq(Adapter):
    configuration = "`dramatiq --processes N`, 8 threads a process and the middleware of the default"
    bulk = "send, one by one: it has no other way"
    packages = ("dramatiq", "redis", "hiredis")

    def enqueue(self, task: str, call: Call) -> None:
        ACTORS[task].send(*call)

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        actor = ACTORS[task]
        for call in calls:
            actor.send(*call)

    def is_drained(self) -> bool:
        return not broker.client.hlen("dramatiq:default.msgs")  # messages leave it when they are acknowledged

    def workers(self, process_count: int) -> list[list[str]]:
        return [[program("dramatiq"), "--processes", str(process_count), "benchmarks.peers.dramatiq:broker"]]


def adapter(variant: str) -> Adapter:
    """Return the adapter."""
    return Dramatiq()
