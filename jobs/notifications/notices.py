"""Notices: what people are to be told is counted in rows, and told no more often than once in an interval.

Counting is part of the transaction that gathers a failure, telling is the enqueue of a job in the transaction that
sets the count to 0. So nothing is told twice or forgotten, whichever scheduler dies when.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from jobs import enqueueing, spoken
from jobs.conf import get_settings
from jobs.definition import resolve
from jobs.log_lines import one_line
from jobs.models import Notice
from jobs.notifications.hook import FailedJob
from jobs.notifications.options import Options, options
from jobs.statements import LOCK_SECONDS, ledger_transaction

ALERT, DEAD_LETTERS = "alert", "dead_letters"
OWN_TASKS = "jobs.notifications."
"""What fails there is told to nobody: it would fail again. It is a dead letter as any other."""

GIVE_UP_SECONDS = 86400
"""A notice that could not be sent for so long is of no use any more."""

KEPT_DAYS = 30


def rows() -> "QuerySet[Notice]":
    return Notice.objects.using(get_settings().database)


def count_dead(failed: Sequence[FailedJob]) -> None:
    """Count dead letters towards the notices of their fingerprints, in the caller's transaction."""
    alike: dict[str, list[FailedJob]] = defaultdict(list)
    for failure in failed:
        if failure.is_dead and not failure.task.startswith(OWN_TASKS):
            alike[f"dead:{failure.fingerprint}"].append(failure)
    for notice in locked(DEAD_LETTERS, {key: found[0].failed_at for key, found in alike.items()}):
        found = alike[notice.key]
        add(notice, len(found), min(one.failed_at for one in found), max(one.failed_at for one in found))
        notice.details = _details(found[-1])
        notice.save()


def locked(kind: str, keys: dict[str, datetime]) -> list[Notice]:
    """Return the notices of these keys, made where they are missing, locked in one order."""
    made = [Notice(key=key, kind=kind, first_at=keys[key], last_at=keys[key]) for key in sorted(keys)]
    if not made:
        return []
    rows().bulk_create(made, ignore_conflicts=True)
    return list(rows().filter(key__in=keys).order_by("key").select_for_update())


def add(notice: Notice, count: int, first_at: datetime, last_at: datetime) -> None:
    """Add to what is pending, without saving it."""
    notice.first_at = min(notice.first_at, first_at) if notice.pending_count else first_at
    notice.last_at = max(notice.last_at, last_at)
    notice.pending_count += count


def _details(failure: FailedJob) -> dict[str, Any]:
    return {
        "fingerprint": failure.fingerprint, "task": failure.task, "queue": failure.queue,
        "attempt": failure.attempt, "tags": list(failure.tags), "job_id": str(failure.job_id),
        "exception_class": failure.exception_class, "message": failure.message, "frame": failure.frame,
    }  # fmt: skip


def send_due() -> int:
    """Enqueue the sending of what may be told now, and return how many notices that were."""
    chosen = options()
    if not chosen.tasks:
        return 0
    with ledger_transaction(LOCK_SECONDS) as statements:
        now = statements.present()
        since = now - timedelta(seconds=chosen.interval_seconds)
        room = chosen.most_per_interval - rows().filter(kind=DEAD_LETTERS, told_at__gt=since).count()
        waiting = rows().filter(Q(told_at=None) | Q(told_at__lte=since), pending_count__gt=0)
        alerts = waiting.filter(kind=ALERT).order_by("first_at")
        dead = waiting.filter(kind=DEAD_LETTERS).order_by("first_at")
        told = [*alerts.select_for_update(skip_locked=True), *dead.select_for_update(skip_locked=True)[: max(room, 0)]]
        for notice in told:
            _enqueue(notice, chosen, now)
            notice.told_at, notice.pending_count = now, 0
            notice.save(update_fields=["told_at", "pending_count"])
    return len(told)


def _enqueue(notice: Notice, chosen: Options, now: datetime) -> None:
    content = content_of(notice, chosen, now)
    for name in chosen.tasks:
        task = resolve(name).using(
            queue_name=chosen.queue, expires_at=now + timedelta(seconds=GIVE_UP_SECONDS), tags=[notice.kind]
        )
        enqueueing.enqueue(task, [content], {})


def content_of(notice: Notice, chosen: Options, now: datetime) -> dict[str, Any]:
    """Return what is sent, as JSON; docs/notifications.md explains each key."""
    details = notice.details
    link = chosen.failure_url.replace("{fingerprint}", str(details.get("fingerprint", "")))
    return {
        "version": 1,
        "kind": notice.kind,
        "key": notice.key,
        "title": _title(notice),
        "count": notice.pending_count,
        "first_at": notice.first_at.isoformat(),
        "last_at": notice.last_at.isoformat(),
        "told_at": now.isoformat(),
        "told_before_at": notice.told_at.isoformat() if notice.told_at else None,
        "environment": get_settings().environment_name,
        "url": link if notice.kind == DEAD_LETTERS else "",
        "details": details,
    }


def _title(notice: Notice) -> str:
    if notice.kind == ALERT:
        return one_line(str(notice.details.get("title", notice.key)))
    what = notice.details["exception_class"] or notice.details["message"]
    return one_line(f"{spoken.count(notice.pending_count, 'dead letter')}: {what[:100]} in {notice.details['task']}")


def delete_old() -> int:
    """Delete notices of which nothing happened for a month; return how many."""
    with ledger_transaction(LOCK_SECONDS) as statements:
        oldest_at = statements.present() - timedelta(days=KEPT_DAYS)
        count, _ = rows().filter(last_at__lt=oldest_at, pending_count=0).delete()
    return count
