"""What the table says of each schedule: its times in words, and how its last runs ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cron_descriptor import FormatError, Options, get_description
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from dashboards import words
from jobs.conf import get_settings
from jobs.models import Job, Schedule, ScheduleRun

RUNS_SHOWN = 60
CLOCK = Options()
CLOCK.use_24hour_time_format = True  # as all other times of the pages
UNKNOWN = "gone"
"""In place of the state of a job that retention has deleted, or that was never enqueued."""


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One schedule with its last runs, oldest first."""

    schedule: Schedule
    timing: str
    marks: list[tuple[str, str]]
    late_seconds: float | None
    """How long after its time the last run was fired."""

    @property
    def failed_count(self) -> int:
        return sum(state == "dead" for state, _ in self.marks)


def schedule_rows(search: str, limit: int) -> list[ScheduleRow]:
    """Return the first schedules by name whose name or task holds `search`, in three statements."""
    alias = get_settings().database
    runs = ScheduleRun.objects.using(alias).filter(schedule=OuterRef("pk")).order_by("-due_at")
    schedules = Schedule.objects.using(alias).order_by("name")
    if search:
        schedules = schedules.filter(Q(name__icontains=search) | Q(task__icontains=search))
    # the time of the oldest run to show, so that the next statement reads no further back
    oldest = Subquery(runs.values("due_at")[RUNS_SHOWN - 1 : RUNS_SHOWN])
    shown = list(schedules.annotate(oldest_at=oldest)[:limit])
    last = _last_runs(shown, alias)
    states = dict(
        Job.objects.using(alias)
        .filter(pk__in=[run.job_id for found in last.values() for run in found if run.job_id])
        .values_list("pk", "state")
    )
    return [_row(schedule, last.get(schedule.pk, []), states) for schedule in shown]


def _last_runs(schedules: list[Any], alias: str) -> dict[int, list[ScheduleRun]]:
    wanted = Q()
    for schedule in schedules:
        wanted |= Q(schedule=schedule, due_at__gte=schedule.oldest_at) if schedule.oldest_at else Q(schedule=schedule)
    found: dict[int, list[ScheduleRun]] = {}
    if schedules:
        for run in ScheduleRun.objects.using(alias).filter(wanted).order_by("schedule_id", "due_at"):
            found.setdefault(run.schedule_id, []).append(run)
    return found


def _row(schedule: Schedule, runs: list[ScheduleRun], states: dict[Any, str]) -> ScheduleRow:
    marks = []
    for run in runs[-RUNS_SHOWN:]:
        state = states.get(run.job_id, UNKNOWN)
        marks.append((state, f"{timezone.localtime(run.due_at):%Y-%m-%d %H:%M:%S} {state}"))
    late = max(0.0, (runs[-1].fired_at - runs[-1].due_at).total_seconds()) if runs else None
    return ScheduleRow(schedule, timing(schedule.cron, schedule.every_seconds), marks, late)


def timing(cron: str, every_seconds: int | None) -> str:
    """Say when a schedule fires: "At 03:00", "Every 30 s"."""
    if not cron:
        return f"Every {words.duration(every_seconds)}"
    try:
        return str(get_description(cron, CLOCK))
    except (FormatError, ValueError):
        return cron


def overdue_seconds(schedule: Schedule, now: datetime) -> float:
    """Return how long a schedule should have fired already."""
    if not schedule.is_enabled or schedule.next_at is None:
        return 0.0
    return max(0.0, (now - schedule.next_at).total_seconds())
