"""The overview as one JSON value: the same for the page, the polling fallback and every WebSocket.

A snapshot is taken at most once a second per process, however many people look. It holds no arguments and no
results.
"""

import json
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, InterfaceError

from dashboards import figures
from dashboards.probes import Probe
from jobs.conf import get_settings
from jobs.models import Queue, Worker
from jobs.states import JobState
from jobs.transports import get_transport

HISTORY_MINUTES = 60
WORKER_LIMIT = 50
DEAD_LETTER_LIMIT = 8
FINISHED = ("state_succeeded", "state_dead", "state_cancelled")
SHOWN = (JobState.SCHEDULED, JobState.BLOCKED, JobState.QUEUED, JobState.RUNNING, JobState.RETRYING)
NEVER = float("-inf")

broker = Probe(lambda: get_transport().ping(), timeout_seconds=1.0)

_lock = threading.Lock()
_taken_at = NEVER
_text = ""


def current(max_age_seconds: float = 1.0) -> str:
    """Return a snapshot as JSON text, a fresh one if the last is older than `max_age_seconds`.

    Blocks for the queries; callers that come meanwhile wait for the same snapshot.
    """
    global _taken_at, _text
    with _lock:
        if time.monotonic() - _taken_at > max_age_seconds:
            _text = json.dumps(take(), cls=DjangoJSONEncoder, separators=(",", ":"))
            _taken_at = time.monotonic()
        return _text


def take() -> dict[str, Any]:
    """Ask the broker and the ledger; a ledger that does not answer leaves `health` and nothing else."""
    ping_seconds = broker.ask()
    health: dict[str, Any] = {
        "broker": {"is_up": ping_seconds is not None, "ping_seconds": ping_seconds},
        "ledger": {"is_up": False},
    }
    started = time.monotonic()
    try:
        content = _content()
    except (DatabaseError, InterfaceError):
        return {"health": health}
    health["ledger"] = {"is_up": True, "query_seconds": round(time.monotonic() - started, 4)}
    health["scheduler"] = content.pop("scheduler")
    health["workers"] = content.pop("liveness")
    return {"health": health, **content}


def _content() -> dict[str, Any]:
    now = figures.present()
    counts = figures.unfinished_counts()
    workers = figures.living_workers(WORKER_LIMIT)
    silent_after = timedelta(seconds=get_settings().lost_after_seconds)
    first_minute = now.replace(second=0, microsecond=0) - timedelta(minutes=HISTORY_MINUTES - 1)
    minutes = figures.counts_by_minute(first_minute)
    dead = figures.dead_count()
    totals = {state.value: sum(row.count for row in counts if row.state == state) for state in SHOWN}
    return {
        "at": now,
        "scheduler": _scheduler(now),
        "liveness": {
            "count": len(workers),
            "is_capped": len(workers) == WORKER_LIMIT,
            "silent_count": sum(now - worker.heartbeat_at > silent_after for worker in workers),
        },
        "totals": {
            **totals,
            "dead": min(dead, figures.CAP),
            "is_dead_capped": dead > figures.CAP,
            "finished_per_minute": round(figures.per_minute(minutes, now, FINISHED)),
        },
        "queues": _queues(now, counts, figures.queues(), workers),
        "workers": [_worker(now, worker, silent_after) for worker in workers],
        "dead_letters": figures.latest_dead(DEAD_LETTER_LIMIT),
        "throughput": [_minute(first_minute + timedelta(minutes=index), minutes) for index in range(HISTORY_MINUTES)],
    }


def _scheduler(now: datetime) -> dict[str, Any]:
    lease = figures.scheduler_lease()
    if lease is None:
        return {"is_up": False, "holder": ""}
    return {"is_up": lease.expires_at > now, "holder": lease.holder}


def _queues(
    now: datetime, counts: Iterable[figures.StateCount], rows: Iterable[Queue], workers: Iterable[Worker]
) -> list[dict[str, Any]]:
    by_name: dict[str, dict[str, Any]] = {}

    def entry(name: str) -> dict[str, Any]:
        empty = {state.value: 0 for state in SHOWN} | {"oldest_seconds": None, "paused_at": None}
        return by_name.setdefault(name, {"name": name, **empty})

    for row in counts:
        queue = entry(row.queue)
        queue[row.state] = row.count
        if row.state == JobState.QUEUED:
            queue["oldest_seconds"] = _seconds(now - row.oldest_due_at)
    for paused in rows:
        entry(paused.name).update(
            paused_at=paused.paused_at, paused_by=paused.paused_by, paused_reason=paused.paused_reason
        )
    serving = list(workers)
    for name, queue in by_name.items():
        queue["worker_count"] = sum(not worker.queues or name in worker.queues for worker in serving)
    return [by_name[name] for name in sorted(by_name)]


def _worker(now: datetime, worker: Worker, silent_after: timedelta) -> dict[str, Any]:
    silence = now - worker.heartbeat_at
    return {
        "id": worker.id,
        "node": worker.node,
        "pid": worker.pid,
        "state": worker.state,
        "queues": worker.queues,
        "running_count": len(worker.runs),
        "heartbeat_age_seconds": _seconds(silence),
        "is_silent": silence > silent_after,
        "memory_bytes": worker.memory_bytes,
    }


def _minute(at: datetime, minutes: dict[datetime, dict[str, int]]) -> dict[str, Any]:
    counts = minutes.get(at, {})
    return {
        "at": at,
        "succeeded": counts.get("state_succeeded", 0),
        "retried": counts.get("retried", 0),
        "dead": counts.get("state_dead", 0),
    }


def _seconds(duration: timedelta) -> float:
    return max(0.0, round(duration.total_seconds(), 1))
