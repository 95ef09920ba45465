"""Huey on Redis."""

import os
from collections.abc import Sequence

from huey import RedisHuey

from benchmarks import work as functions
from benchmarks.adapter import Adapter, Call, program

huey = RedisHuey("benchmarks", url=os.environ["REDIS_URL"], results=False)
TASKS = {function.__name__: huey.task()(function) for function in functions.FUNCTIONS}


class Huey(Adapter):
    configuration = "RedisHuey with results=False; `huey_consumer --worker-type process --workers N --no-periodic`"
    bulk = "one call a job: it has no other way"
    packages = ("huey", "redis", "hiredis")

    def enqueue(self, task: str, call: Call) -> None:
        TASKS[task](*call)

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        function = TASKS[task]
        for call in calls:
            function(*call)

    def is_drained(self) -> bool:
        return not huey.pending_count()  # of a running job Huey keeps no trace

    def workers(self, process_count: int) -> list[list[str]]:
        options = ["--worker-type", "process", "--workers", str(process_count), "--no-periodic", "--quiet"]
        return [[program("huey_consumer"), "benchmarks.peers.huey.huey", *options]]


def adapter(variant: str) -> Adapter:
    """Return the adapter."""
    return Huey()
