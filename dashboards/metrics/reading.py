"""What one scrape reads: of the ledger, as of one moment, and of the broker.

One moment, because totals that are worked out from several tables must neither miss nor double a job that moves while
they are read: a counter that goes down once is a restart to Prometheus, which adds all of it again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Min

from dashboards import figures
from dashboards.metrics import schedules
from jobs import statistics
from jobs.conf import get_settings
from jobs.filters import StateIn
from jobs.models import Job, Queue, Schedule, SchedulerLease, Worker
from jobs.models.worker import WorkerState
from jobs.statements import ledger_snapshot
from jobs.states import JobState
from jobs.transports import get_transport

WORKER_LIMIT = 2000
LOST_LATELY = timedelta(minutes=15)
"""How long a worker that was lost is counted."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that has begun and whose end is not recorded."""

    queue: str
    task: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The ledger at one moment."""

    at: datetime
    totals: dict[tuple[str, str], statistics.Figures]
    counts: list[figures.JobCount]
    begun: list[Begun]
    workers: list[Worker]
    """Living ones."""
    lost_count: int
    queues: list[Queue]
    lease: SchedulerLease | None
    overdue_seconds: float
    """How long the oldest due thing waits for the scheduler."""
    schedule_counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker at one moment."""

    ping_seconds: float
    depths: dict[str, int]
    """Messages by queue."""


def read() -> Reading:
    """Read the ledger."""
    with ledger_snapshot() as statements:
        now = statements.present()
        workers = figures.living_workers(WORKER_LIMIT)
        return Reading(
            at=now,
            totals=statistics.totals(),
            counts=figures.job_counts(),
            begun=_begun(workers, now),
            workers=workers,
            lost_count=_lost_count(now),
            queues=figures.queues(),
            lease=figures.scheduler_lease(),
            overdue_seconds=_overdue_seconds(now),
            schedule_counts=schedules.counts(now),
        )


def read_broker() -> Broker:
    """Ask the broker for a round trip and for the number of its messages."""
    transport = get_transport()
    return Broker(transport.ping(), transport.depths(sorted(transport.queue_names())))


def _begun(workers: Sequence[Worker], now: datetime) -> list[Begun]:
    """Return what the workers' last heartbeats told of and what runs still, under the same claim."""
    told: dict[tuple[UUID, str], float] = {}
    for worker in workers:
        since_seconds = (now - worker.heartbeat_at).total_seconds()
        for run in worker.runs:
            with suppress(ValueError, TypeError, KeyError, AttributeError):  # who may write rows may write these
                told[UUID(run["job"]), worker.pk] = float(run["seconds"]) + since_seconds
    beats = {worker.pk: worker.heartbeat_at for worker in workers}
    rows = Job.objects.using(_alias()).filter(state=JobState.RUNNING, pk__in={job_id for job_id, _ in told})
    return [
        Begun(queue, task, told[job_id, worker])
        for job_id, queue, task, worker, claimed_at in rows.values_list("pk", "queue", "task", "worker", "claimed_at")
        if (job_id, worker) in told and claimed_at is not None and claimed_at <= beats[worker]
    ]


def _lost_count(now: datetime) -> int:
    rows = Worker.objects.using(_alias()).filter(state=WorkerState.LOST, ended_at__gt=now - LOST_LATELY)
    return rows.order_by().count()


def _overdue_seconds(now: datetime) -> float:
    delayed = Job.objects.using(_alias()).filter(StateIn([JobState.RETRYING, JobState.SCHEDULED]))
    enabled = Schedule.objects.using(_alias()).filter(is_enabled=True)
    oldest = [
        delayed.order_by().aggregate(oldest=Min("due_at"))["oldest"],
        enabled.order_by().aggregate(oldest=Min("next_at"))["oldest"],
    ]
    return max([0.0, *((now - at).total_seconds() for at in oldest if at is not None)])


def _alias() -> str:
    return get_settings().database
