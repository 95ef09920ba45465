"""RQ with its default worker, which runs each job in a process of its own."""

import os

from redis import Redis
from rq import Queue, Retry
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, StartedJobRegistry

from benchmarks.adapter import program
from benchmarks.survival import work
from benchmarks.survival.adapter import FAILED, OWN_RECORD, QUEUE, VARIANT, WORKER_COUNT, Survivor

URL = os.environ["REDIS_URL"]
HAS_TWO_QUEUES, IS_TUNED = "two" in VARIANT, "tuned" in VARIANT
QUEUES = ["high", "default"] if HAS_TWO_QUEUES else ["default"]
TUNED = ["--maintenance-interval", "10", "--job-monitoring-interval", "5", "--worker-ttl", "20"]


class RQ(Survivor):
    packages = ("rq", "redis", "hiredis")

    def __init__(self) -> None:
        self.redis = Redis.from_url(URL)
        self.queue = Queue("default", connection=self.redis)
        self.retry = Retry(max=3) if IS_TUNED else None
        options = " ".join(["--quiet", *(TUNED if IS_TUNED else []), *QUEUES])
        enqueue = "enqueue(…, retry=Retry(max=3))" if IS_TUNED else "enqueue(…)"
        self.configuration = f"two `rq worker {options}`; {enqueue} on the queue default"

    def enqueue(self, key: str, journal: str, milliseconds: float) -> None:
        self.queue.enqueue(work.job, args=(journal, key, milliseconds), job_id=key, retry=self.retry)

    def held(self) -> dict[str, list[str]]:
        started = StartedJobRegistry(queue=self.queue).get_job_ids(cleanup=False)
        intermediate = self.queue.intermediate_queue.get_job_ids()
        places = {
            QUEUE: self.queue.get_job_ids(),
            "intermediate queue": [key for key in intermediate if key not in started],
            "started registry": started,
            FAILED: FailedJobRegistry(queue=self.queue).get_job_ids(cleanup=False),
        }
        known = {key for keys in places.values() for key in keys}
        places[OWN_RECORD] = [key for key in self._unfinished() if key not in known]
        return places

    def _unfinished(self) -> list[str]:
        found = list(self.redis.scan_iter(match=f"{Job.redis_job_namespace_prefix}*", count=1000))
        pipe = self.redis.pipeline(transaction=False)
        for name in found:
            pipe.hget(name, "status")
        done = JobStatus.FINISHED.value.encode()
        return [
            name.decode().removeprefix(Job.redis_job_namespace_prefix)
            for name, status in zip(found, pipe.execute(), strict=True)
            if status != done
        ]

    def workers(self) -> list[list[str]]:
        options = ["--url", URL, "--quiet", *(TUNED if IS_TUNED else [])]
        return [[program("rq"), "worker", *options, *QUEUES]] * WORKER_COUNT


def survivor() -> Survivor:
    """Return the system."""
    return RQ()
