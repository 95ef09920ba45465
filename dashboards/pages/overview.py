"""The first page: what is going on, what is wrong, what comes next."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, attention, figures
from dashboards.charts import DEFAULT_MEASURE, DEFAULT_RANGE, MEASURES, RANGES
from dashboards.pages.screen import now_of, show, taken
from dashboards.queue_rows import queue_rows
from dashboards.snapshot import WORKER_LIMIT
from jobs import failures
from jobs.conf import get_settings
from jobs.models import AuditEntry, Schedule
from jobs.states import JobState

QUEUE_LIMIT, FAILURE_LIMIT, SCHEDULE_LIMIT, LOG_LIMIT = 12, 7, 5, 6

CARDS = (
    ("queued", "Queued"),
    ("running", "Running"),
    ("scheduled", "Scheduled"),
    ("retrying", "Retrying"),
    ("dead", "Dead"),
    ("per-minute", "Finished / min"),
    ("failed", "Failed, 5 min"),
    ("wait", "p95 wait, 5 min"),
)
"""Words of a snapshot and their headings."""


@require_safe
@never_cache
@access.page("jobs.view_job")
def overview(request: HttpRequest) -> HttpResponse:
    """Show figures, the chart, queues, failures, the next schedules and the operators' log."""
    content = taken()
    context: dict[str, Any] = {"is_ledger_up": "at" in content}
    if "at" in content:
        now = now_of(content)
        rows = queue_rows(content, now, figures.queues(), figures.living_workers(WORKER_LIMIT))
        context |= {
            "now": now,
            "cards": [(name, label, content["words"][name]) for name, label in CARDS],
            "states": [state.value for state in JobState],
            "is_alarming": content["totals"]["dead"] > 0,
            "concerns": [
                (concern, not concern.permission or request.user.has_perm(concern.permission))
                for concern in attention.concerns(content, rows, now)
            ],
            "rows": rows[:QUEUE_LIMIT],
            "more_count": max(0, len(rows) - QUEUE_LIMIT),
            **_permitted(request.user),
        }
    return show(request, "overview", chart=chart_choices(request), **context)


def _permitted(user: Any) -> dict[str, Any]:
    """Return what only some may see."""
    alias, shown = get_settings().database, {}
    if user.has_perm("jobs.view_failuregroup"):
        shown["groups"] = failures.latest(FAILURE_LIMIT)
    if not shown.get("groups"):  # the scheduler has not gathered them yet
        shown["letters"] = figures.latest_dead(FAILURE_LIMIT)
    if user.has_perm("jobs.view_schedule"):
        due = Schedule.objects.using(alias).filter(is_enabled=True, next_at__isnull=False).order_by("next_at")
        shown["schedules"] = list(due[:SCHEDULE_LIMIT])
    if user.has_perm("jobs.view_auditentry"):
        # what operations did to each job stands in its history
        entries = AuditEntry.objects.using(alias).filter(operation_id=None).order_by("-id")
        shown["log"] = list(entries[:LOG_LIMIT])
    return shown


def chart_choices(request: HttpRequest) -> dict[str, Any]:
    """Return what a chart lets people choose, and what the address has chosen."""
    span, measure = request.GET.get("range", ""), request.GET.get("measure", "")
    return {
        "ranges": list(RANGES),
        "measures": [(name, item.label) for name, item in MEASURES.items()],
        "range": span if span in RANGES else DEFAULT_RANGE,
        "measure": measure if measure in MEASURES else DEFAULT_MEASURE,
    }
