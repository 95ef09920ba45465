"""Celery on Redis with one of two pools."""

import os
from collections.abc import Sequence
from typing import Any

from celery import Celery
from redis import Redis

from benchmarks import work
from benchmarks.adapter import Adapter, Call, program

URL = os.environ["REDIS_URL"]
SETTINGS: dict[str, Any] = {"task_ignore_result": True, "worker_prefetch_multiplier": 128}
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
THREADS = 8

app = Celery("benchmarks", broker=URL.replace("unix://", "redis+socket://"))
app.conf.update(SETTINGS)
TASKS = {function.__name__: app.task(function, name=function.__name__) for function in work.FUNCTIONS}


class CeleryOnRedis(Adapter):
    bulk = "apply_async with one producer, job by job: it has no other way"
    packages = ("celery", "kombu", "redis", "hiredis")

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.redis = Redis.from_url(URL)

    @property
    def configuration(self) -> str:  # type: ignore[override] # differs by pool
        command = {
            "prefork": "one command, `celery worker --pool prefork --concurrency N -O fair`",
            "threads": f"`celery worker --pool threads --concurrency {THREADS}`, one command a process",
        }[self.pool]
        settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
        return f"{command}, {' '.join(QUIET[:3])}; {settings}; no result backend"

    def enqueue(self, task: str, call: Call) -> None:
        TASKS[task].delay(*call)

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        with app.producer_pool.acquire(block=True) as producer:
            for call in calls:
                TASKS[task].apply_async(call, producer=producer)

    def is_drained(self) -> bool:
        return not self.redis.llen("celery") and not self.redis.hlen("unacked")

    def workers(self, process_count: int) -> list[list[str]]:
        command = [program("celery"), "--app", "benchmarks.peers.celery:app", "worker", "--pool", self.pool, *QUIET]
        if self.pool == "prefork":
            return [[*command, "--concurrency", str(process_count), "-O", "fair"]]
        return [
            [*command, "--concurrency", str(THREADS), "--hostname", f"worker{number}@%h"]
            for number in range(process_count)
        ]


def adapter(variant: str) -> Adapter:
    """Return the adapter for a pool."""
    return CeleryOnRedis(variant)
