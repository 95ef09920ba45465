"""No queue at all: what redis-py needs to push a job's few bytes on a list."""

import json
import os
from collections.abc import Sequence
from uuid import uuid4

from redis import Redis

from benchmarks.adapter import Adapter, Call

KEY = "floor"


class RedisFloor(Adapter):
    configuration = "RPUSH of a JSON document with id, task and arguments"
    bulk = "a pipeline of 1,000 RPUSH"
    packages = ("redis", "hiredis")

    def __init__(self) -> None:
        self.client = Redis.from_url(os.environ["REDIS_URL"])

    def enqueue(self, task: str, call: Call) -> None:
        self.client.rpush(KEY, _message(task, call))

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        pipe = self.client.pipeline(transaction=False)
        for call in calls:
            pipe.rpush(KEY, _message(task, call))
        pipe.execute()

    def is_drained(self) -> bool:
        return not self.client.llen(KEY)

    def workers(self, process_count: int) -> list[list[str]]:
        return []


def _message(task: str, call: Call) -> str:
    return json.dumps([str(uuid4()), task, call])


def adapter(variant: str) -> Adapter:
    """Return the adapter."""
    return RedisFloor()
