"""What changes all the time, as one small JSON value, the same for every page, poll and WebSocket.

A snapshot is taken at most once a second per process, however many people look. It holds counts and words, never
arguments or results, so everybody who may look may have it; rows are fetched by each page for its user.
"""

import json
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, InterfaceError

from dashboards import figures, recent, words
from dashboards.probes import Probe
from jobs.conf import get_settings
from jobs.models import Queue
from jobs.states import JobState
from jobs.transports import get_transport

WORKER_LIMIT = 500
SHOWN = (JobState.SCHEDULED, JobState.BLOCKED, JobState.QUEUED, JobState.RUNNING, JobState.RETRYING)
NEVER = float("-inf")
LOAD_SHARE = 0.1
"""Most of the time that snapshots may take, in a process; over a huge backlog they come less often."""
LONGEST_SECONDS = 5.0
"""Most seconds for which one is shared."""

broker = Probe(lambda: get_transport().ping(), timeout_seconds=1.0)

_lock = threading.Lock()
_taken_at = NEVER
_spent_seconds = 0.0
_text = ""


def current(max_age_seconds: float = 1.0) -> str:
    """Return a snapshot as JSON text, a fresh one if the last is older than `max_age_seconds`.

    One that took long, as over a huge backlog, is shared for longer: see LOAD_SHARE. Blocks for the queries; callers
    that come meanwhile wait for the same snapshot.
    """
    global _taken_at, _spent_seconds, _text
    with _lock:
        started = time.monotonic()
        if started - _taken_at > max(max_age_seconds, _spent_seconds / LOAD_SHARE):
            _text = json.dumps(take(), cls=DjangoJSONEncoder, separators=(",", ":"))
            _taken_at = time.monotonic()
            _spent_seconds = min(_taken_at - started, LONGEST_SECONDS * LOAD_SHARE)
        return _text


def forget() -> None:
    """Take a fresh snapshot the next time: somebody has just changed what it shows."""
    global _taken_at, _spent_seconds
    _taken_at, _spent_seconds = NEVER, 0.0


def take() -> dict[str, Any]:
    """Ask the broker and the ledger; a ledger that does not answer leaves `health`, `strip` and nothing else."""
    ping_seconds = broker.ask()
    health: dict[str, Any] = {
        "broker": {"is_up": ping_seconds is not None, "ping_seconds": ping_seconds},
        "ledger": {"is_up": False},
    }
    started = time.monotonic()
    try:
        content = _content()
    except (DatabaseError, InterfaceError):
        return {"health": health, "strip": strip(health)}
    health["ledger"] = {"is_up": True, "query_seconds": round(time.monotonic() - started, 4)}
    health["scheduler"] = content.pop("scheduler")
    health["workers"] = content.pop("liveness")
    return {"health": health, "strip": strip(health), "words": _words(content["totals"]), **content}


def strip(health: dict[str, Any]) -> dict[str, list[str]]:
    """Say the health of each part in a state, "up", "warning", "down" or "unknown", and a few words."""
    told: dict[str, list[str]] = {}
    for name, seconds in (("broker", "ping_seconds"), ("ledger", "query_seconds")):
        part = health[name]
        told[name] = ["up", words.milliseconds(part[seconds])] if part["is_up"] else ["down", "unreachable"]
    scheduler, workers = health.get("scheduler"), health.get("workers")
    told["scheduler"] = told["workers"] = ["unknown", words.NOTHING]
    if scheduler is not None:
        told["scheduler"] = ["up", f"led by {scheduler['holder']}"] if scheduler["is_up"] else ["down", "none leads"]
    if workers is not None:
        told["workers"] = _workers_told(workers)
    return told


def _workers_told(workers: dict[str, Any]) -> list[str]:
    count, silent = workers["count"], workers["silent_count"]
    if not count:
        return ["down", "none"]
    more = "+" if workers["is_capped"] else ""
    return [("warning" if silent < count else "down") if silent else "up", f"{count - silent}/{count}{more}"]


def _content() -> dict[str, Any]:
    now = figures.present()
    counts = figures.unfinished_counts()
    workers = figures.living_workers(WORKER_LIMIT)
    silent_after = timedelta(seconds=get_settings().lost_after_seconds)
    dead = figures.dead_count()
    last = recent.by_queue(now).get("", recent.Recent())
    totals = {state.value: sum(row.count for row in counts if row.state == state) for state in SHOWN}
    failed = last.count(recent.FAILED)
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
            "finished_per_minute": round(last.per_minute(now)),
            "finished_failed_share": round(failed / (last.count(recent.RUNS) or 1), 4),
            "finished_wait_p95_seconds": last.wait_p95_seconds,
            "busy_slots": sum(len(worker.runs) for worker in workers),
            "slot_count": sum(figures.slots_of(worker) for worker in workers),
        },
        "queues": _queues(counts, figures.queues()),
    }


def _scheduler(now: datetime) -> dict[str, Any]:
    lease = figures.scheduler_lease()
    if lease is None:
        return {"is_up": False, "holder": ""}
    return {"is_up": lease.expires_at > now, "holder": lease.holder}


def _queues(counts: Iterable[figures.StateCount], rows: Iterable[Queue]) -> list[dict[str, Any]]:
    by_name: dict[str, dict[str, Any]] = {}

    def entry(name: str) -> dict[str, Any]:
        empty = {state.value: 0 for state in SHOWN} | {"oldest_due_at": None, "is_paused": False}
        return by_name.setdefault(name, {"name": name, **empty})

    for row in counts:
        queue = entry(row.queue)
        queue[row.state] = row.count
        if row.state == JobState.QUEUED:
            queue["oldest_due_at"] = row.oldest_due_at
    for known in rows:
        entry(known.name)["is_paused"] = known.paused_at is not None
    return [by_name[name] for name in sorted(by_name)]


def _words(totals: dict[str, Any]) -> dict[str, str]:
    """Say what pages show of the totals."""
    dead = words.capped(totals["dead"] + totals["is_dead_capped"], figures.CAP)
    slots = totals["slot_count"]
    return {
        "queued": words.number(totals["queued"]),
        "running": f"{totals['busy_slots']:,}/{slots:,}" if slots else words.number(totals["running"]),
        "scheduled": words.number(totals["scheduled"]),
        "retrying": words.number(totals["retrying"]),
        "dead": dead,
        "per-minute": words.number(totals["finished_per_minute"]),
        "failed": words.share(totals["finished_failed_share"], 1),
        "wait": words.duration(totals["finished_wait_p95_seconds"]),
        "nav-jobs": words.short_number(sum(totals[state.value] for state in SHOWN)),
        "nav-failures": words.short_number(totals["dead"], figures.CAP),
    }
