"""The figures behind the pages and /metrics: a few cheap queries on the ledger.

Unfinished jobs are counted through the partial indexes, final ones come from the statistics, and what could
grow without limit is capped. Nothing here counts the whole table.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, OuterRef, QuerySet, Subquery

from jobs.conf import get_settings
from jobs.filters import INDEXED_UNFINISHED, StateIn
from jobs.models import Attempt, Job, Queue, SchedulerLease, Worker
from jobs.statements import ledger
from jobs.states import FINAL, JobState
from jobs.status import StateCount, unfinished_counts

__all__ = [
    "CAP", "JobCount", "StateCount", "dead_count", "job_counts", "latest_dead", "living_workers", "present", "queues",
    "scheduler_lease", "slots_of", "unfinished_counts",
]  # fmt: skip

CAP = 10_000
"""Counts of final jobs stop here; pages show "10,000+"."""


@dataclass(frozen=True, slots=True)
class JobCount:
    """How many jobs of one task on one queue are in one state."""

    queue: str
    task: str
    state: str
    count: int
    published_count: int
    """Those that should have a message on the broker."""
    oldest_due_at: datetime


def present() -> datetime:
    """Return the present moment by the ledger's clock."""
    return ledger().present()


def job_counts() -> list[JobCount]:
    """Count all jobs but the succeeded ones by queue, task and state."""
    first, *others = [
        part.order_by()
        .values_list("queue", "task", "state")
        .annotate(count=Count("pk"), published=Count("published_at"), oldest=Min("due_at"))
        for part in (
            _jobs().filter(StateIn(FINAL), state__in=[JobState.CANCELLED, JobState.DEAD]),
            *(_jobs().filter(StateIn(states)) for states in INDEXED_UNFINISHED),
        )
    ]
    return [JobCount(*row) for row in first.union(*others, all=True)]


def dead_count() -> int:
    """Count dead letters, up to `CAP` + 1."""
    # the end time and not the primary key: it stands in the index
    return _dead().order_by().values("finished_at")[: CAP + 1].count()


def latest_dead(limit: int) -> list[dict[str, Any]]:
    """Return the youngest dead letters with the exception of their last attempt."""
    last = Attempt.objects.using(_alias()).filter(job=OuterRef("pk")).order_by("-number")
    rows = (
        _dead()
        .order_by("-finished_at")
        .values("id", "task", "queue", "reason", "finished_at", "attempt")
        .annotate(
            exception_class=Subquery(last.values("exception_class")[:1]),
            message=Subquery(last.values("message")[:1]),
        )
    )
    return list(rows[:limit])


def queues() -> list[Queue]:
    """Return the queues that have a row: used or paused ones."""
    return list(Queue.objects.using(_alias()).order_by("name"))


def living_workers(limit: int) -> list[Worker]:
    """Return living workers by id."""
    return list(Worker.objects.using(_alias()).living().order_by("id")[:limit])


def scheduler_lease() -> SchedulerLease | None:
    """Return the lease of the leading scheduler, expired or not."""
    return SchedulerLease.objects.using(_alias()).order_by("-expires_at").first()


def slots_of(worker: Worker) -> int:
    """Return how many jobs the worker runs at once; of its coroutines only those that are busy count."""
    return max(worker.thread_count, len(worker.runs))


def _alias() -> str:
    return get_settings().database


def _jobs() -> "QuerySet[Job]":
    return Job.objects.using(_alias())


def _dead() -> "QuerySet[Job]":
    return _jobs().filter(StateIn(FINAL), state=JobState.DEAD)
