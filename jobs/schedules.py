"""Schedules as rows: what the setting declares, when each is next due, and the firing itself.

Schedules are independent of each other: one that cannot fire says why in its row and waits for its next time.
"""

import logging
from datetime import datetime, timedelta

from django.db import Error, transaction
from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, Concat, Now

from jobs import enqueueing
from jobs.conf import get_settings
from jobs.definition import check_payload, resolve
from jobs.errors import InvalidJob, shown
from jobs.failpoints import reach
from jobs.lifecycle.settle import is_ledger_away
from jobs.models import AuditEntry, Job, Schedule, ScheduleRun
from jobs.models.schedule import Misfire
from jobs.names import MAX_PRIORITY, MIN_PRIORITY, check_int, check_name, check_queue
from jobs.statements import LOCK_SECONDS, ledger_transaction
from jobs.timetable import check_timing, next_firing

logger = logging.getLogger("jobs.schedules")

MISFIRE_GRACE_SECONDS = 30
"""A time that is later than this was missed, and `misfire` decides; it covers a change of the leading
scheduler."""

UNREADABLE_RETRY_SECONDS = 60
RUNS_KEPT = timedelta(days=30)
ACTOR = "scheduler"


def check_schedule(schedule: Schedule) -> None:
    """Check everything about a schedule that can be wrong before it fires.

    Raises: InvalidJob and its subclasses, naming the column and the remedy.
    """
    check_name("name", schedule.name)
    check_timing(schedule.cron, schedule.every_seconds, schedule.timezone)
    if schedule.misfire not in Misfire.values:
        raise InvalidJob("misfire", f"{shown(schedule.misfire, 64)} is no policy.", "Pass 'skip' or 'once'.")
    if schedule.queue != "":
        check_queue("queue", schedule.queue)
    if schedule.priority is not None:
        check_int("priority", schedule.priority, MIN_PRIORITY, MAX_PRIORITY)
    resolve(schedule.task).bind(*check_payload(schedule.args, schedule.kwargs))


def enqueue_from(schedule: Schedule, due_at: datetime | None = None) -> Job:
    """Enqueue one job of a schedule, by the front door; its `meta` names the schedule and the time.

    Raises: InvalidJob and its subclasses.
    """
    task = resolve(schedule.task).using(
        queue_name=schedule.queue or None,
        priority=schedule.priority,
        meta={"schedule": schedule.name, "due_at": due_at.isoformat() if due_at else None},
    )
    job: Job = enqueueing.enqueue(task, schedule.args, schedule.kwargs)
    return job


def fire_due(limit: int = 100) -> int:
    """Fire or plan up to `limit` schedules that are due, and return how many jobs were enqueued.

    Each has its own transaction for the firing's row, which is unique, the job and the next time. Two
    schedulers at once therefore fire once.

    Raises: django.db.Error if the ledger refuses, once the other schedules have had their turn.
    """
    fired, failure = 0, None
    for schedule_id in list(_due().values_list("id", flat=True)[:limit]):
        try:
            fired += _take_turn(schedule_id)
            reach("schedule.committed")
        except Error as error:
            failure = error
    if failure is not None:
        raise failure
    return fired


def _rows() -> "QuerySet[Schedule]":
    return Schedule.objects.using(get_settings().database)


def _due() -> "QuerySet[Schedule]":
    every = Coalesce(Cast("every_seconds", CharField()), Value(""))
    timing = Concat("cron", Value("|"), every, Value("|"), "timezone", output_field=CharField())
    is_edited = ~Q(planned_by="") & ~Q(planned_by=timing)
    is_due = Q(next_at__isnull=True) | Q(next_at__lte=Now()) | is_edited
    return _rows().filter(is_due, is_enabled=True).order_by("next_at", "id")


def _timing_of(schedule: Schedule) -> str:
    every = "" if schedule.every_seconds is None else schedule.every_seconds
    return f"{schedule.cron}|{every}|{schedule.timezone}"


def _take_turn(schedule_id: int) -> bool:
    """Fire, skip or plan one schedule; tell whether a job was enqueued."""
    with ledger_transaction(LOCK_SECONDS) as statements:
        now = statements.present()
        locked = _rows().select_for_update(skip_locked=True)
        schedule = locked.filter(id=schedule_id, is_enabled=True).first()
        if schedule is None:  # another scheduler is at it, or an operator has just switched it off
            return False
        due_at, is_edited = schedule.next_at, schedule.planned_by not in ("", _timing_of(schedule))
        if due_at is None or is_edited:
            _plan(schedule, now, anchor=schedule.last_at or schedule.created_at)
            return False
        if due_at > now:
            return False
        has_fired = _is_wanted(schedule, due_at, now) and _fire(schedule, due_at)
        _plan(schedule, now, anchor=due_at)
        return has_fired


def _is_wanted(schedule: Schedule, due_at: datetime, now: datetime) -> bool:
    if schedule.misfire == Misfire.SKIP and (now - due_at).total_seconds() > MISFIRE_GRACE_SECONDS:
        logger.info("schedule %s skips the missed time %s", schedule.name, due_at.isoformat())
        return False
    return not ScheduleRun.objects.using(get_settings().database).filter(schedule=schedule, due_at=due_at).exists()


def _fire(schedule: Schedule, due_at: datetime) -> bool:
    try:
        check_timing(schedule.cron, schedule.every_seconds, schedule.timezone)
        with transaction.atomic(using=get_settings().database):  # a savepoint: a refusal undoes the job, not the plan
            job = enqueue_from(schedule, due_at)
            runs = ScheduleRun.objects.using(get_settings().database)
            runs.create(schedule=schedule, due_at=due_at, job_id=job.id)
            reach("schedule.fired")
    except Exception as error:  # whatever is wrong with one schedule must not hold up the others
        if is_ledger_away(error):
            raise
        _refuse(schedule, str(error))
        return False
    schedule.last_at, schedule.last_error = due_at, ""
    return True


def _plan(schedule: Schedule, now: datetime, *, anchor: datetime) -> None:
    try:
        timing = (schedule.cron, schedule.every_seconds, schedule.timezone)
        schedule.next_at = next_firing(*timing, anchor=anchor, after=now)
    except InvalidJob as error:
        schedule.next_at = now + timedelta(seconds=UNREADABLE_RETRY_SECONDS)
        _refuse(schedule, str(error))
    schedule.planned_by = _timing_of(schedule)
    schedule.save(update_fields=["next_at", "planned_by", "last_at", "last_error"])


def _refuse(schedule: Schedule, problem: str) -> None:
    """Say why a schedule does not fire: in its row each time, in the logs once."""
    if schedule.last_error == problem:
        return
    schedule.last_error = problem
    AuditEntry(
        actor=ACTOR, action="fire", target=f"schedule {schedule.name}", result="refused", reason=problem[:255]
    ).save(using=get_settings().database)
    logger.error("schedule %s cannot fire: %s", schedule.name, problem)


def delete_old_runs(limit: int = 5000) -> int:
    """Delete up to `limit` records of firings that are older than a month, and return how many."""
    database = get_settings().database
    rows = ScheduleRun.objects.using(database)
    old = rows.filter(fired_at__lt=Now() - RUNS_KEPT).order_by().values_list("id", flat=True)
    ids = list(old[:limit])
    return rows.filter(id__in=ids)._raw_delete(database) if ids else 0
