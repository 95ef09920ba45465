"""How the site is: counts by state and queue, workers, scheduler, broker, ledger, as plain values.

A few statements; unfinished jobs are counted through the partial indexes, final ones up to a cap.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, InterfaceError, OperationalError, connections
from django.db.models import Count, Min, QuerySet

from jobs.conf import get_settings
from jobs.errors import TransportUnavailable
from jobs.filters import INDEXED_UNFINISHED, StateIn
from jobs.models import Job, Queue, SchedulerLease, Worker
from jobs.models.worker import WorkerState
from jobs.statements import ledger
from jobs.states import FINAL, JobState
from jobs.transports import get_transport

CAP = 10_000
MOST_WORKERS = 1000
_UNDEFINED = {"42P01", "42703", "3F000"}
"""PostgreSQL's codes for a table, a column and a schema that do not exist."""
WAITING_STATES = ("queued", "running", "scheduled", "retrying")

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many unfinished jobs of one queue are in one state, and since when the oldest is due."""

    queue: str
    state: str
    count: int
    oldest_due_at: datetime


def read() -> Values:
    """Return everything; of a ledger that does not answer only that, and the broker."""
    began = time.monotonic()
    try:
        now = ledger().present()
        told: Values = {"at": now, "ledger": {"is_up": True, "kind": _connection().vendor}}
        told["ledger"]["answer_seconds"] = round(time.monotonic() - began, 4)
        told |= _content(now)
    except Error as error:
        told = {"ledger": {"is_up": False, "error": trouble(error) if is_unmigrated(error) else str(error).strip()}}
    return {**told, "broker": broker()}


def is_unmigrated(error: Error) -> bool:
    """Tell whether an error of the ledger means that its tables are missing, or those of another release."""
    on_postgresql = getattr(error.__cause__, "sqlstate", None) in _UNDEFINED
    return on_postgresql or str(error).startswith(("no such table", "no such column"))


def trouble(error: Error) -> str:
    """Say in a line what an error of the ledger means for whoever gives a command."""
    text = str(error).strip().partition("\n")[0] or "no reason was given"
    if is_unmigrated(error):
        return f"The ledger's tables are missing or of another release: run manage.py migrate ({text})"
    if isinstance(error, OperationalError | InterfaceError):
        return f"The ledger does not answer: {text}"
    return f"The ledger refuses this: {text}"


def broker() -> Values:
    """Ask the broker for one round trip."""
    try:
        return {"is_up": True, "answer_seconds": round(get_transport().ping(), 4)}
    except TransportUnavailable as error:
        return {"is_up": False, "error": str(error).strip()}


def unfinished_counts() -> list[StateCount]:
    """Count unfinished jobs by queue and state, in one statement."""
    first, *others = [
        Job.objects.using(_alias())
        .filter(StateIn(states))
        .order_by()
        .values_list("queue", "state")
        .annotate(number=Count("pk"), oldest=Min("due_at"))
        for states in INDEXED_UNFINISHED
    ]
    return [StateCount(*row) for row in first.union(*others, all=True)]


def _content(now: datetime) -> Values:
    workers = [_worker(worker, now) for worker in _living()]
    queues = _queues(now, workers)
    states = {state: sum(queue[state] for queue in queues) for state in WAITING_STATES}
    finals = {state.value: _final(state) for state in (JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED)}
    return {
        "scheduler": _scheduler(now),
        "states": states | {state: min(number, CAP) for state, number in finals.items()},
        "capped": [state for state, number in finals.items() if number > CAP],
        "queues": queues,
        "workers": workers,
    }


def _scheduler(now: datetime) -> Values:
    lease = SchedulerLease.objects.using(_alias()).order_by("-expires_at").first()
    if lease is None:
        return {"is_up": False, "holder": "", "expires_at": None, "acted_at": None}
    is_up = lease.expires_at > now
    return {"is_up": is_up, "holder": lease.holder, "expires_at": lease.expires_at, "acted_at": lease.acted_at}


def _living() -> "QuerySet[Worker]":
    return Worker.objects.using(_alias()).living().order_by("id")[:MOST_WORKERS]


def _worker(worker: Worker, now: datetime) -> Values:
    silent_after = timedelta(seconds=get_settings().lost_after_seconds)
    return {
        "id": worker.id,
        "state": worker.state,
        "queues": worker.queues,
        "running": len(worker.runs),
        "slots": max(worker.thread_count, len(worker.runs)),
        "heartbeat_age_seconds": round((now - worker.heartbeat_at).total_seconds(), 1),
        "is_silent": now - worker.heartbeat_at > silent_after,
        "memory_bytes": worker.memory_bytes,
        "code_version": worker.code_version,
    }


def _queues(now: datetime, workers: list[Values]) -> list[Values]:
    """Return the queues that have unfinished jobs, a row or a worker, by name."""
    by_name: dict[str, Values] = {}

    def entry(name: str) -> Values:
        empty: Values = {
            "name": name, **dict.fromkeys(WAITING_STATES, 0), "oldest_seconds": None, "is_paused": False,
            "paused_by": "", "paused_reason": "",
            "workers": sum(_serves(worker, name) for worker in workers),
        }  # fmt: skip
        return by_name.setdefault(name, empty)

    for row in unfinished_counts():
        entry(row.queue)[row.state] = row.count
        if row.state == JobState.QUEUED:
            entry(row.queue)["oldest_seconds"] = round(max(0.0, (now - row.oldest_due_at).total_seconds()), 1)
    for known in Queue.objects.using(_alias()).order_by("name")[:MOST_WORKERS]:
        is_paused = known.paused_at is not None
        entry(known.name).update(is_paused=is_paused, paused_by=known.paused_by, paused_reason=known.paused_reason)
    for name in {name for worker in workers for name in worker["queues"]}:
        entry(name)
    return [by_name[name] for name in sorted(by_name)]


def _serves(worker: Values, queue: str) -> bool:
    is_listening = worker["state"] == WorkerState.ACTIVE and not worker["is_silent"]
    return is_listening and (not worker["queues"] or queue in worker["queues"])


def _final(state: JobState) -> int:
    rows = Job.objects.using(_alias()).filter(StateIn(FINAL), state=state)
    # the end time and not the primary key: it stands in the index
    return rows.order_by().values("finished_at")[: CAP + 1].count()


def _connection() -> Any:
    return connections[_alias()]


def _alias() -> str:
    return get_settings().database
