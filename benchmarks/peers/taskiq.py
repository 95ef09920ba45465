"""taskiq on Redis streams, the broker that its documents recommend."""

import asyncio
import os
from collections.abc import Sequence

from redis import Redis
from taskiq_redis import RedisStreamBroker

from benchmarks import work
from benchmarks.adapter import Adapter, Call, program

URL = os.environ["REDIS_URL"]
STREAM = GROUP = "taskiq"
AT_ONCE = 50  # enqueues on their way, each with a connection

# from the first message on, because jobs are enqueued before the first worker starts
broker = RedisStreamBroker(url=URL, consumer_id="0", max_connection_pool_size=AT_ONCE + 50)
TASKS = {
    function.__name__: broker.task(task_name=function.__name__)(work.as_coroutine(function))
    for function in work.FUNCTIONS
}


class Taskiq(Adapter):
    configuration = (
        "RedisStreamBroker without a result backend; `taskiq worker --workers N --max-async-tasks 100"
        " --max-prefetch 100`; the functions as coroutines, which spares a hand-over to a thread"
    )
    bulk = f"kiq, {AT_ONCE} at a time by asyncio.gather: it has no other way"
    packages = ("taskiq", "taskiq-redis", "redis", "hiredis")

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.redis = Redis.from_url(URL)

    def prepare(self) -> None:
        self.loop.run_until_complete(broker.startup())  # makes the group, without which nothing is kept

    def enqueue(self, task: str, call: Call) -> None:
        self.loop.run_until_complete(TASKS[task].kiq(*call))

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        self.loop.run_until_complete(self._enqueue_many(task, calls))

    async def _enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        for start in range(0, len(calls), AT_ONCE):
            await asyncio.gather(*(TASKS[task].kiq(*call) for call in calls[start : start + AT_ONCE]))

    def is_drained(self) -> bool:
        groups = self.redis.xinfo_groups(STREAM)
        return all(not group["lag"] and not group["pending"] for group in groups)

    def workers(self, process_count: int) -> list[list[str]]:
        options = ["--workers", str(process_count), "--max-async-tasks", "100", "--max-prefetch", "100"]
        return [[program("taskiq"), "worker", "benchmarks.peers.taskiq:broker", *options, "--log-level", "WARNING"]]


def adapter(variant: str) -> Adapter:
    """Return the adapter."""
    return Taskiq()
