"""Celery on Redis with its default pool of processes."""

import json
import os
from typing import Any

from celery import Celery
from redis import Redis

from benchmarks.adapter import program
from benchmarks.survival import work
from benchmarks.survival.adapter import QUEUE, VARIANT, WORKER_COUNT, Survivor

URL = os.environ["REDIS_URL"]
LATE: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
}
QUICK: dict[str, Any] = {
    "visibility_timeout": 20,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "": {},
    "late": LATE,
    "tuned": {**LATE, "broker_transport_options": QUICK},
}

app = Celery("survival", broker=URL.replace("unix://", "redis+socket://"))
app.conf.update(SETTINGS[VARIANT])
job = app.task(work.job, name="job")


class CeleryOnRedis(Survivor):
    packages = ("celery", "kombu", "redis")

    def __init__(self) -> None:
        self.redis = Redis.from_url(URL)
        words = ", ".join(f"{name}={value}" for name, value in SETTINGS[VARIANT].items()) or "no settings"
        self.configuration = f"two `celery worker --concurrency 1`, no result backend; {words}"

    def enqueue(self, key: str, journal: str, milliseconds: float) -> None:
        job.apply_async((journal, key, milliseconds), task_id=key)

    def held(self) -> dict[str, list[str]]:
        waiting = [json.loads(message) for message in self.redis.lrange("celery", 0, -1)]
        taken = [json.loads(entry)[0] for entry in self.redis.hvals("unacked")]
        return {
            QUEUE: [message["headers"]["id"] for message in waiting],
            "unacknowledged": [message["headers"]["id"] for message in taken],
        }

    def workers(self) -> list[list[str]]:
        command = [program("celery"), "--app", "benchmarks.survival.peers.celery:app", "worker"]
        options = ["--concurrency", "1", "--loglevel", "WARNING"]
        return [[*command, *options, "--hostname", f"worker{number}@%h"] for number in range(WORKER_COUNT)]


def survivor() -> Survivor:
    """Return the system."""
    return CeleryOnRedis()
