"""The lines of `jobs_status` for people."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from jobs import spoken

NOTHING = "-"
WORKERS_SHOWN = 20


def lines(status: dict[str, Any]) -> Iterator[str]:
    """Yield what `jobs.status.read` returned, line by line."""
    yield f"ledger     {_server(status['ledger'])}"
    yield f"broker     {_server(status['broker'])}"
    if "states" not in status:
        return
    yield f"scheduler  {_scheduler(status['scheduler'], status['at'])}"
    yield f"workers    {_workers(status['workers'])}"
    yield ""
    yield "  ".join(_state(name, number, status["capped"]) for name, number in status["states"].items())
    if status["queues"]:
        yield ""
        yield from _aligned([_HEAD, *map(_queue, status["queues"])])
    if status["workers"]:
        yield ""
        shown = sorted(status["workers"], key=lambda worker: (not worker["is_silent"], worker["id"]))[:WORKERS_SHOWN]
        yield from _aligned([("WORKER", "STATE", "RUNS", "HEARD", "QUEUES"), *map(_worker, shown)])
        if len(status["workers"]) > WORKERS_SHOWN:
            yield f"and {len(status['workers']) - WORKERS_SHOWN} more"


_HEAD = ("QUEUE", "QUEUED", "RUNNING", "SCHEDULED", "RETRYING", "OLDEST", "WORKERS", "")


def _server(part: dict[str, Any]) -> str:
    if not part["is_up"]:
        return f"DOWN: {part['error'].splitlines()[0] if part['error'] else 'no answer'}"
    kind = f"{part['kind']}, " if "kind" in part else ""
    return f"up, {kind}{part['answer_seconds'] * 1000:.1f} ms"


def _scheduler(part: dict[str, Any], now: datetime) -> str:
    if part["is_up"]:
        acted = f", last round {spoken.ago(part['acted_at'], now)}" if part["acted_at"] else ""
        return f"up, {part['holder']} leads{acted}"
    since = f" since {spoken.clock(part['expires_at'], now)}" if part["expires_at"] else ""
    return f"DOWN: none leads{since}. Start one: manage.py jobs_scheduler"


def _workers(workers: Sequence[dict[str, Any]]) -> str:
    silent = sum(worker["is_silent"] for worker in workers)
    if len(workers) == silent:
        gone = f" ({silent} silent)" if silent else ""
        return f"NONE{gone}. Start some: manage.py jobs_worker"
    busy, slots = sum(worker["running"] for worker in workers), sum(worker["slots"] for worker in workers)
    told = f"{len(workers) - silent} up, {busy}/{slots} slots busy"
    return f"{told}, {silent} SILENT" if silent else told


def _state(name: str, number: int, capped: Sequence[str]) -> str:
    return f"{name} {number:,}{'+' if name in capped else ''}"


def _queue(queue: dict[str, Any]) -> tuple[str, ...]:
    note = ""
    if queue["is_paused"]:
        why = f': "{queue["paused_reason"]}"' if queue["paused_reason"] else ""
        note = f"PAUSED by {queue['paused_by']}{why}"
    elif queue["queued"] and not queue["workers"]:
        note = "NO WORKER"
    oldest = spoken.duration(queue["oldest_seconds"]) if queue["oldest_seconds"] is not None else NOTHING
    counts = (f"{queue[state]:,}" for state in ("queued", "running", "scheduled", "retrying"))
    return (queue["name"], *counts, oldest, str(queue["workers"]), note)


def _worker(worker: dict[str, Any]) -> tuple[str, ...]:
    state = "SILENT" if worker["is_silent"] else worker["state"]
    heard = f"{spoken.duration(worker['heartbeat_age_seconds'])} ago"
    return worker["id"], state, f"{worker['running']}/{worker['slots']}", heard, " ".join(worker["queues"]) or "all"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows as columns: the first and the last to the left, numbers to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    last = len(widths) - 1
    for row in rows:
        cells = (
            cell.ljust(width) if index in (0, last) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
