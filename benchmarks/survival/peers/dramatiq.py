"""Dramatiq on its Redis broker."""

import json
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.adapter import program
from benchmarks.survival import work
from benchmarks.survival.adapter import FAILED, OWN_RECORD, QUEUE, VARIANT, WORKER_COUNT, Survivor

TUNED = {"heartbeat_timeout": 10_000, "maintenance_chance": 100_000}

options = TUNED if VARIANT == "tuned" else {}
broker = RedisBroker(url=os.environ["REDIS_URL"], **options)
dramatiq.set_broker(broker)
job = dramatiq.actor(work.job)


class Dramatiq(Survivor):
    packages = ("dramatiq", "redis", "hiredis")

    def __init__(self) -> None:
        words = ", ".join(f"{name}={value}" for name, value in options.items())
        self.configuration = f"two `dramatiq --processes 1 --threads 1`; RedisBroker({words})"

    def enqueue(self, key: str, journal: str, milliseconds: float) -> None:
        job.send(journal, key, milliseconds)

    def held(self) -> dict[str, list[str]]:
        redis = broker.client
        waiting = set(redis.lrange("dramatiq:default", 0, -1))
        taken = {one for name in redis.scan_iter("dramatiq:__acks__.*", count=1000) for one in redis.smembers(name)}
        places: dict[str, list[str]] = {FAILED: [_key(data) for data in redis.hvals("dramatiq:default.XQ.msgs")]}
        for queue in ("default", "default.DQ"):
            for message, data in redis.hgetall(f"dramatiq:{queue}.msgs").items():
                place = QUEUE if message in waiting else "unacknowledged" if message in taken else OWN_RECORD
                places.setdefault(place, []).append(_key(data))
        return places

    def workers(self) -> list[list[str]]:
        command = [program("dramatiq"), "--processes", "1", "--threads", "1"]
        return [[*command, "benchmarks.survival.peers.dramatiq:broker"]] * WORKER_COUNT


def _key(data: bytes) -> str:
    return str(json.loads(data)["args"][1])


def survivor() -> Survivor:
    """Return the system."""
    return Dramatiq()
