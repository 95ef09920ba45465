"""RQ with one of its two workers."""

import os
from collections.abc import Sequence

from redis import Redis
from rq import Queue, Worker
from rq.registry import StartedJobRegistry

from benchmarks import work
from benchmarks.adapter import Adapter, Call, program

URL = os.environ["REDIS_URL"]


class RQ(Adapter):
    bulk = "Queue.enqueue_many (one pipeline), 1,000 jobs a call"
    packages = ("rq", "redis", "hiredis")

    def __init__(self, worker_class: str) -> None:
        self.worker_class = worker_class
        self.queue = Queue(connection=Redis.from_url(URL))

    @property
    def configuration(self) -> str:  # type: ignore[override] # differs by worker
        return f"`rq worker --worker-class {self.worker_class} --quiet`, one command a process; result_ttl=0"

    def enqueue(self, task: str, call: Call) -> None:
        self.queue.enqueue(getattr(work, task), args=call, result_ttl=0)

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        function = getattr(work, task)
        self.queue.enqueue_many([Queue.prepare_data(function, args=call, result_ttl=0) for call in calls])

    def is_drained(self) -> bool:
        return not self.queue.count and not StartedJobRegistry(queue=self.queue).get_job_count(cleanup=False)

    def succeeded_count(self) -> int:
        workers = Worker.all(queue=self.queue)
        return sum(worker.successful_job_count for worker in workers)

    def workers(self, process_count: int) -> list[list[str]]:
        command = [program("rq"), "worker", "--worker-class", self.worker_class, "--url", URL, "--quiet", "default"]
        return [command] * process_count


def adapter(variant: str) -> Adapter:
    """Return the adapter for a worker class."""
    return RQ(variant)
