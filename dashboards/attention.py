"""What is wrong on the whole site, in sentences for somebody who has never seen it, each with the way to its repair.

Everything comes from the snapshot and the rows that the first page has anyway; nothing is asked of the ledger here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from dashboards import figures, words
from dashboards.queue_rows import QueueRow
from jobs.conf import get_settings
from jobs.models import Queue

MOST_ALIKE = 3
"""Queues with the same trouble that are named one by one; more are counted."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that is wrong."""

    level: str
    """Either "bad", when jobs have failed or nobody will take them, or "warn", when somebody should know."""
    title: str
    detail: str = ""
    command: str = ""
    """What to type, if no page can repair it."""
    address: str = ""
    """The page on which it is looked into and repaired."""
    permission: str = ""
    """Who may open that page."""
    link: str = ""


def concerns(content: dict[str, Any], rows: Sequence[QueueRow], now: datetime) -> list[Concern]:
    """Return what is wrong, the worst first; `content` is a snapshot of a ledger that answers."""
    found = [*_of_parts(content), *_of_workers(content), *_of_queues(rows, now, content), *_of_failures(content)]
    return sorted(found, key=lambda concern: concern.level)


def _of_parts(content: dict[str, Any]) -> list[Concern]:
    found = []
    if not content["health"]["scheduler"]["is_up"]:
        detail = "Delayed jobs, retries, schedules and repairs wait until one does. Start one:"
        found.append(Concern("bad", "No scheduler is at work", detail, "manage.py jobs_scheduler"))
    if not content["health"]["broker"]["is_up"]:
        detail = "Workers find their jobs in the ledger meanwhile, more slowly; none is lost. Look after Redis."
        found.append(Concern("bad", "The broker does not answer", detail))
    return found


def _of_workers(content: dict[str, Any]) -> list[Concern]:
    count, silent_count = (content["health"]["workers"][name] for name in ("count", "silent_count"))
    way = {"address": reverse("dashboards:workers"), "permission": "jobs.view_worker", "link": "Workers"}
    if not count:
        queued = content["totals"]["queued"]
        detail = f"{_waiting(queued, 'queued job') if queued else 'Jobs wait'} until one does. Start one:"
        return [Concern("bad" if queued else "warn", "No worker runs", detail, "manage.py jobs_worker")]
    if silent_count == count:
        title = "The only worker is silent" if count == 1 else f"All {count:,} workers are silent"
        return [Concern("bad", title, "No job begins until one answers again or another starts.", **way)]
    if silent_count:
        title = f"{silent_count:,} of {count:,} workers {'is' if silent_count == 1 else 'are'} silent"
        return [Concern("warn", title, "What silent workers run is given to others once they count as lost.", **way)]
    return []


def _of_queues(rows: Sequence[QueueRow], now: datetime, content: dict[str, Any]) -> list[Concern]:
    paused = [_paused(row, row.queue, now) for row in rows if row.queue and row.is_paused]
    has_workers = bool(content["health"]["workers"]["count"])
    idle = [
        _of_queue(
            row, "bad", f"No worker takes jobs from queue {row.name}", f"{_waiting(row.queued)}. Start one:",
            command=f"manage.py jobs_worker {row.name}",
        )
        for row in rows
        if has_workers and row.is_idle and not row.is_paused
    ]  # fmt: skip
    behind_seconds = get_settings().behind_seconds
    behind = [
        _of_queue(
            row, "warn", f"Queue {row.name} is behind",
            f"Its oldest job has waited for {words.duration(_waited_seconds(row, now))}; {_waiting(row.queued)}, "
            f"{row.busy_count} of {words.plural(row.slot_count, 'slot')} busy.",
        )
        for row in sorted(rows, key=lambda row: -_waited_seconds(row, now))
        if row.worker_count and not row.is_paused and _waited_seconds(row, now) > behind_seconds
    ]  # fmt: skip
    return [
        *_first(idle, "bad", "are without a worker"),
        *_first(paused, "warn", "are paused"),
        *_first(behind, "warn", "are behind"),
    ]


def _paused(row: QueueRow, queue: Queue, now: datetime) -> Concern:
    since = f"{queue.paused_by or 'Somebody'} paused it {words.ago(queue.paused_at, now)}"
    reason = f": “{queue.paused_reason}”" if queue.paused_reason else ""
    return _of_queue(row, "warn", f"Queue {row.name} is paused", f"{since}{reason}. {_waiting(row.queued)}.")


def _of_queue(row: QueueRow, level: str, title: str, detail: str, command: str = "") -> Concern:
    try:
        address = reverse("dashboards:queue", args=[row.name])
    except NoReverseMatch:  # a name that no address can hold
        address = reverse("dashboards:queues")
    return Concern(level, title, detail, command, address, "jobs.view_queue", "Queue")


def _first(alike: list[Concern], level: str, trouble: str) -> list[Concern]:
    if len(alike) <= MOST_ALIKE:
        return alike
    title = f"{len(alike) - MOST_ALIKE + 1:,} more queues {trouble}"
    address = reverse("dashboards:queues")
    return [*alike[: MOST_ALIKE - 1], Concern(level, title, "", "", address, "jobs.view_queue", "Queues")]


def _waiting(count: int, noun: str = "job") -> str:
    return f"{words.plural(count, noun)} {'waits' if count == 1 else 'wait'}"


def _waited_seconds(row: QueueRow, now: datetime) -> float:
    return (now - row.oldest_due_at).total_seconds() if row.oldest_due_at and row.queued else 0.0


def _of_failures(content: dict[str, Any]) -> list[Concern]:
    totals = content["totals"]
    if not totals["dead"]:
        return []
    title = f"{words.capped(totals['dead'] + totals['is_dead_capped'], figures.CAP)} dead letter"
    title += "" if totals["dead"] == 1 else "s"
    detail = "Jobs whose attempts are used up. Each runs again once somebody retries it."
    return [
        Concern(
            "bad", title, detail,
            address=reverse("dashboards:failures"), permission="jobs.view_failuregroup", link="Failures",
        )
    ]  # fmt: skip
