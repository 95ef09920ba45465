"""Who works on what: the runs of living workers with their jobs, and how busy each queue's workers are."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from dashboards import figures
from jobs.conf import get_settings
from jobs.models import Job, Worker

RUN_LIMIT = 2000
"""Most runs that are looked up; of more, the rest is counted without its queue."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A run in a slot."""

    id: UUID
    task: str
    queue: str
    seconds: float


def running_jobs(workers: Iterable[Worker]) -> dict[str, list[RunningJob]]:
    """Return the runs that have begun, by worker, the longest first, in one statement."""
    runs = list(islice(_runs(workers), RUN_LIMIT))
    if not runs:
        return {}
    rows = Job.objects.using(get_settings().database).filter(pk__in=[job_id for _, job_id, _ in runs])
    known = {job_id: (task, queue) for job_id, task, queue in rows.values_list("pk", "task", "queue")}
    found: dict[str, list[RunningJob]] = {}
    for worker_id, job_id, seconds in sorted(runs, key=lambda run: -run[2]):
        if job_id in known:
            found.setdefault(worker_id, []).append(RunningJob(job_id, *known[job_id], seconds))
    return found


def _runs(workers: Iterable[Worker]) -> Iterator[tuple[str, UUID, float]]:
    """Yield (worker, job, seconds); leave out what is not a run: anybody who may write rows may write these."""
    for worker in workers:
        for run in worker.runs:
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                yield worker.pk, UUID(run["job"]), float(run["seconds"])


def serves(worker: Worker, queue: str) -> bool:
    """Say whether the worker takes jobs from the queue."""
    return not worker.queues or queue in worker.queues


def busy_by_queue(workers: Sequence[Worker]) -> Counter[str]:
    """Count the busy slots of each queue."""
    return Counter(run.queue for runs in running_jobs(workers).values() for run in runs)


def slots_of_queue(workers: Iterable[Worker], queue: str) -> tuple[int, int]:
    """Return how many workers serve the queue, and how many slots they have."""
    serving = [worker for worker in workers if serves(worker, queue)]
    return len(serving), sum(figures.slots_of(worker) for worker in serving)


def is_silent(worker: Worker, now: datetime) -> bool:
    """Say whether the worker has not been heard for too long."""
    return (now - worker.heartbeat_at).total_seconds() > get_settings().lost_after_seconds


def ended_lately(limit: int, since: datetime) -> list[Any]:
    """Return workers that stopped or were lost, the last one first."""
    rows = Worker.objects.using(get_settings().database).filter(ended_at__gte=since)
    return list(rows.order_by("-ended_at")[:limit])
