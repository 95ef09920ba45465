"""All workers: what each does, and how long it has been silent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, figures, slots
from dashboards.actions import usable
from dashboards.pages.screen import now_of, search_of, show, taken
from dashboards.snapshot import WORKER_LIMIT
from jobs.models import Worker
from jobs.models.worker import Request, WorkerState

ENDED_LIMIT = 20
ENDED_WITHIN = timedelta(hours=1)
RUN_LIMIT = 3
"""Runs that a row names; of more, it gives the number."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One living worker process."""

    worker: Worker
    runs: list[slots.RunningJob]
    slot_count: int
    heartbeat_age_seconds: int
    is_silent: bool

    @property
    def first_runs(self) -> list[slots.RunningJob]:
        return self.runs[:RUN_LIMIT]

    @property
    def further_count(self) -> int:
        return max(0, len(self.worker.runs) - RUN_LIMIT)


@dataclass(frozen=True, slots=True)
class Pool:
    """The worker processes of one parent, which stops them together."""

    name: str
    rows: list[WorkerRow]

    @property
    def node(self) -> str:
        return self.rows[0].worker.node

    @property
    def is_stopping(self) -> bool:
        return all(row.worker.asked or row.worker.state == WorkerState.STOPPING for row in self.rows)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more can be asked of it."""
        return all(row.worker.asked == Request.STOP for row in self.rows)

    @property
    def busy_count(self) -> int:
        return sum(len(row.worker.runs) for row in self.rows)

    @property
    def slot_count(self) -> int:
        return sum(row.slot_count for row in self.rows)


@require_safe
@never_cache
@access.page("jobs.view_worker")
def workers(request: HttpRequest) -> HttpResponse:
    """Show living workers by pool, and those that have ended lately."""
    now, search = now_of(taken()), search_of(request)
    living = figures.living_workers(WORKER_LIMIT)
    found = [worker for worker in living if _matches(worker, search)]
    return show(
        request, "workers", now=now, pools=_pools(found, now), search=search, total=len(living), found=len(found),
        is_capped=len(living) == WORKER_LIMIT, ended=slots.ended_lately(ENDED_LIMIT, now - ENDED_WITHIN),
        verbs=usable(request.user, "worker"),
    )  # fmt: skip


def _matches(worker: Worker, search: str) -> bool:
    texts = (worker.pk, worker.node, worker.pool, worker.code_version, *worker.queues)
    return any(search.lower() in text.lower() for text in texts)


def _pools(living: Iterable[Worker], now: datetime) -> list[Pool]:
    workers = sorted(living, key=lambda worker: (worker.node, worker.pool, worker.started_at, worker.pk))
    running = slots.running_jobs(workers)
    return [
        Pool(name, [_row(worker, running.get(worker.pk, []), now) for worker in members])
        for (_, name), members in groupby(workers, key=lambda worker: (worker.node, worker.pool))
    ]


def _row(worker: Worker, runs: list[slots.RunningJob], now: datetime) -> WorkerRow:
    age_seconds = round(max(0.0, (now - worker.heartbeat_at).total_seconds()))
    return WorkerRow(worker, runs, figures.slots_of(worker), age_seconds, slots.is_silent(worker, now))
