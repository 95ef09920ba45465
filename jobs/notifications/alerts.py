"""Alerts: what the engine itself can tell is wrong with the site, as `jobs_status` shows it.

Each cause is told when it appears and again after each interval for as long as it lasts. Prometheus knows more, and
knows it while the ledger is away; this is for sites without it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jobs import spoken, status
from jobs.conf import get_settings
from jobs.models import Queue, Worker
from jobs.models.worker import WorkerState
from jobs.notifications.notices import ALERT, locked, rows
from jobs.notifications.options import Options, options
from jobs.statements import LOCK_SECONDS, ledger, ledger_transaction

MOST_NAMES = 20
LOST = "workers-lost"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong now."""

    key: str
    title: str
    count: int = 1
    details: dict[str, Any] = field(default_factory=dict)


def watch() -> int:
    """Note what is wrong now in the notices, forget what is right again, and return how many causes there are."""
    chosen = options()
    if not chosen.tasks:
        return 0
    told = status.read()
    if not told["ledger"]["is_up"]:
        return 0
    causes = {f"alert:{cause.key}": cause for cause in causes_in(told, chosen)}
    with ledger_transaction(LOCK_SECONDS) as statements:
        now = statements.present()
        rows().filter(kind=ALERT, pending_count__gt=0).exclude(key__in=causes).update(pending_count=0)
        for notice in locked(ALERT, dict.fromkeys(causes, now)):
            cause = causes[notice.key]
            if not notice.pending_count:
                notice.first_at = now
            notice.pending_count, notice.last_at = cause.count, now
            notice.details = {"title": cause.title, **cause.details}
            notice.save()
    return len(causes)


def causes_in(told: status.Values, chosen: Options) -> list[Cause]:
    """Return what is wrong by the status of the site. The queue of notifications is left out: nobody would hear."""
    now = ledger().present()
    found = [*_paused(now, chosen), *_lost(now, chosen)]
    if not told["broker"]["is_up"]:
        error = told["broker"]["error"]
        found.append(Cause("broker-down", "The broker does not answer: work goes on, more slowly", 1, {"error": error}))
    for queue in told["queues"]:
        waits_seconds = queue["oldest_seconds"] or 0
        is_alone = queue["queued"] and not queue["workers"] and not queue["is_paused"]
        if is_alone and 0 < chosen.unserved_seconds <= waits_seconds and queue["name"] != chosen.queue:
            waiting = f"{spoken.count(queue['queued'], 'job')} {'waits' if queue['queued'] == 1 else 'wait'}"
            title = f"No worker serves the queue {queue['name']}: {waiting}"
            details = {"queue": queue["name"], "queued": queue["queued"], "oldest_seconds": waits_seconds}
            found.append(Cause(f"queue-unserved:{queue['name']}", title, 1, details))
    return found


def _paused(now: datetime, chosen: Options) -> list[Cause]:
    if not chosen.paused_seconds:
        return []
    since = now - timedelta(seconds=chosen.paused_seconds)
    found = Queue.objects.using(get_settings().database).filter(paused_at__lte=since).exclude(name=chosen.queue)
    return [
        Cause(
            f"queue-paused:{queue.name}", f"The queue {queue.name} is still paused", 1,
            {"queue": queue.name, "paused_by": queue.paused_by, "paused_reason": queue.paused_reason,
             "paused_seconds": int((now - queue.paused_at).total_seconds()) if queue.paused_at else 0},
        )
        for queue in found.order_by("paused_at")[:MOST_NAMES]
    ]  # fmt: skip


def _lost(now: datetime, chosen: Options) -> list[Cause]:
    """Return the workers that were lost since people were told of such; at first those of the last interval."""
    told_at = rows().filter(key=f"alert:{LOST}").values_list("told_at", flat=True).first()
    since = now - timedelta(seconds=chosen.interval_seconds)
    if told_at is not None:
        since = max(told_at, since - timedelta(days=1))
    lost = Worker.objects.using(get_settings().database).filter(state=WorkerState.LOST, ended_at__gt=since)
    count = lost.count()
    if not count:
        return []
    names = list(lost.order_by("-ended_at").values_list("id", flat=True)[:MOST_NAMES])
    title = f"{spoken.count(count, 'worker')} {'were' if count > 1 else 'was'} lost; what ran there goes on elsewhere"
    return [Cause(LOST, title, count, {"workers": names})]
