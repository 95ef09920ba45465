"""Failure groups: the notes of failed attempts, gathered by what failed, for whoever repairs it.

A settlement writes one note per failed attempt; the scheduler's leader adds them to their groups and deletes them in
one transaction, so that each is counted once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count
from django.db.models.functions import Now

from jobs.conf import get_settings
from jobs.filters import StateIn
from jobs.fingerprints import fingerprint_of, frame_of, normalised
from jobs.models import Attempt, Failure, FailureGroup, Job
from jobs.statements import LOCK_SECONDS, ledger, ledger_transaction
from jobs.states import JobState, Outcome

FOLD_BATCH = 2000
NAME_BATCH = 200
MOST_TASKS = 10
KEPT_DAYS = 30
_HOURS = 7 * 24
_NAMED = (Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST)


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A group as a page shows it."""

    group: FailureGroup
    dead_count: int
    """Its jobs that are dead letters now."""
    hour_count: int
    day_count: int
    week_count: int
    """Failed attempts of the last hour, 24 hours and 7 days."""
    hours: list[int]
    """Failed attempts in each of the last 24 hours, oldest first."""


def fold(limit: int = FOLD_BATCH, gathered: Callable[[Sequence[Failure]], None] | None = None) -> int:
    """Add up to `limit` notes to their groups, and return how many there were.

    `gathered` is given the notes, of which each comes once, inside the transaction that deletes them.
    """
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        notes = Failure.objects.using(database).order_by("id")
        found = list(notes.select_for_update(skip_locked=True)[:limit])
        if not found:
            return 0
        alike: dict[str, list[Failure]] = defaultdict(list)
        for note in found:
            alike[note.fingerprint].append(note)
        _add(alike, database)
        if gathered is not None:
            gathered(found)
        return notes.filter(id__in=[note.id for note in found]).order_by()._raw_delete(database)


def _add(alike: dict[str, list[Failure]], database: str) -> None:
    groups = FailureGroup.objects.using(database)
    groups.bulk_create([_new_group(alike[name][0]) for name in sorted(alike)], ignore_conflicts=True)
    now = ledger().present()
    changed = list(groups.filter(pk__in=alike).order_by("pk").select_for_update())
    for group in changed:
        _extend(group, alike[group.pk], now)
    groups.bulk_update(
        changed,
        ["sample", "tasks", "first_seen_at", "last_seen_at", "last_job_id", "count", "minutes", "hours"],
        batch_size=100,
    )


def _new_group(note: Failure) -> FailureGroup:
    return FailureGroup(
        fingerprint=note.fingerprint, exception_class=note.exception_class, message=normalised(note.message),
        sample=note.message, frame=note.frame, first_seen_at=note.failed_at, last_seen_at=note.failed_at,
        last_job_id=note.job_id,
    )  # fmt: skip


def _extend(group: FailureGroup, notes: Sequence[Failure], now: datetime) -> None:
    for note in notes:
        group.first_seen_at = min(group.first_seen_at, note.failed_at)
        if note.failed_at >= group.last_seen_at:
            group.last_seen_at, group.sample, group.last_job_id = note.failed_at, note.message, note.job_id
        if note.task not in group.tasks and len(group.tasks) < MOST_TASKS:
            group.tasks.append(note.task)
        for sums, seconds in ((group.minutes, 60), (group.hours, 3600)):
            key = str(_slot(note.failed_at, seconds))
            sums[key] = sums.get(key, 0) + 1
    group.count += len(notes)
    group.minutes = _since(group.minutes, _slot(now, 60) - 59)
    group.hours = _since(group.hours, _slot(now, 3600) - _HOURS + 1)


def _slot(moment: datetime, seconds: int) -> int:
    return int(moment.timestamp() // seconds)


def _since(sums: dict[str, int], first: int) -> dict[str, int]:
    return {key: number for key, number in sums.items() if int(key) >= first}


def latest(limit: int = 100, *, before: datetime | None = None) -> list[FailureRow]:
    """Return groups, the last to fail first; `before` goes on behind the last row of a page."""
    groups = FailureGroup.objects.using(get_settings().database).order_by("-last_seen_at", "fingerprint")
    if before is not None:
        groups = groups.filter(last_seen_at__lt=before)
    return rows_of(groups[:limit])


def rows_of(groups: Iterable[FailureGroup]) -> list[FailureRow]:
    """Return groups as a page shows them, with one query for all their dead letters."""
    groups = list(groups)
    dead = Job.objects.using(get_settings().database).filter(
        StateIn([JobState.DEAD]), fingerprint__in=[group.pk for group in groups]
    )
    counts = dict(dead.order_by().values_list("fingerprint").annotate(Count("id"))) if groups else {}
    now = datetime.now(UTC)
    minute, hour = _slot(now, 60), _slot(now, 3600)
    return [
        FailureRow(
            group=group,
            dead_count=counts.get(group.pk, 0),
            hour_count=sum(_since(group.minutes, minute - 59).values()),
            day_count=sum(_since(group.hours, hour - 23).values()),
            week_count=sum(_since(group.hours, hour - _HOURS + 1).values()),
            hours=[group.hours.get(str(slot), 0) for slot in range(hour - 23, hour + 1)],
        )
        for group in groups
    ]


def name_unnamed(limit: int = NAME_BATCH) -> int:
    """Give a fingerprint to up to `limit` dead letters that have none, and return how many there were.

    They died before there were fingerprints, or without an attempt that says why.
    """
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        dead = Job.objects.using(database).filter(StateIn([JobState.DEAD]), fingerprint=None)
        found = dead.only("id", "task", "reason", "finished_at").order_by("id")
        jobs = list(found.select_for_update(skip_locked=True)[:limit])
        attempts = Attempt.objects.using(database).filter(job_id__in=[job.id for job in jobs], outcome__in=_NAMED)
        last = {attempt.job_id: attempt for attempt in attempts.order_by("number")}
        notes = [_note(job, last.get(job.id)) for job in jobs]
        for job, note in zip(jobs, notes, strict=True):
            dead.filter(id=job.id).update(fingerprint=note.fingerprint)
            if job.id in last:
                attempts.filter(id=last[job.id].id).update(fingerprint=note.fingerprint)
        Failure.objects.using(database).bulk_create(notes)
    return len(jobs)


def _note(job: Job, attempt: Attempt | None) -> Failure:
    exception_class, message = (attempt.exception_class, attempt.message) if attempt else ("", job.reason)
    frame = (frame_of(attempt.traceback) if attempt else "") or job.task
    failed_at = attempt.finished_at if attempt else job.finished_at
    assert failed_at is not None  # nosec B101 # a CHECK constraint says so of dead jobs
    return Failure(
        failed_at=failed_at, exception_class=exception_class, message=message, frame=frame, task=job.task,
        job_id=job.id, fingerprint=fingerprint_of(exception_class, message, frame),
    )  # fmt: skip


def delete_old(limit: int = 1000) -> int:
    """Delete up to `limit` groups that were not seen for 30 days and have no dead letter; return how many."""
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        groups = FailureGroup.objects.using(database)
        old = groups.filter(last_seen_at__lt=Now() - timedelta(days=KEPT_DAYS)).order_by("last_seen_at")
        names = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        dead = Job.objects.using(database).filter(StateIn([JobState.DEAD]), fingerprint__in=names)
        kept = set(dead.values_list("fingerprint", flat=True).distinct()) if names else set()
        gone = [name for name in names if name not in kept]
        return groups.filter(pk__in=gone)._raw_delete(database) if gone else 0
