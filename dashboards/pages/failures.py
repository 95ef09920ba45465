"""Failures that are the same, as groups: what failed where, how often, since when, and what can be done about it."""

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access
from dashboards.job_verbs import Button, bulk_buttons
from dashboards.pages.screen import now_of, search_of, show, taken
from jobs import failures as groups
from jobs.conf import get_settings
from jobs.filters import StateIn
from jobs.models import FailureGroup, Job
from jobs.states import JobState

ROW_LIMIT = 50
VERBS = ("retry", "discard")


@require_safe
@never_cache
@access.page("jobs.view_failuregroup")
def failures(request: HttpRequest) -> HttpResponse:
    """Show the groups, the last to fail first; `?q=` looks for a class, a message, a place or a task."""
    content, search = taken(), search_of(request)
    found = FailureGroup.objects.using(_alias()).order_by("-last_seen_at", "-fingerprint")
    if search:
        found = found.filter(
            Q(exception_class__icontains=search) | Q(message__icontains=search) | Q(frame__icontains=search)
            | Q(tasks__icontains=search) | Q(fingerprint=search)
        )  # fmt: skip
    behind = _cursor(request.GET.get("before", ""))
    if behind is not None:
        at, fingerprint = behind
        found = found.filter(Q(last_seen_at__lt=at) | Q(last_seen_at=at, fingerprint__lt=fingerprint))
    rows = groups.rows_of(found[: ROW_LIMIT + 1])
    return show(
        request, "failures", now=now_of(content), rows=rows[:ROW_LIMIT], search=search, every=5,
        before=_cursor_of(rows[ROW_LIMIT - 1].group) if len(rows) > ROW_LIMIT else "",
        has_ungrouped=not rows and not search and _has_dead(), verbs=_buttons(request.user),
    )  # fmt: skip


def _buttons(user: Any) -> list[Button]:
    return [button for button in bulk_buttons(user) if button.verb.name in VERBS]


def _has_dead() -> bool:
    """Say whether there are dead letters that the scheduler has not gathered yet."""
    return Job.objects.using(_alias()).filter(StateIn([JobState.DEAD])).exists()


def _cursor_of(group: FailureGroup) -> str:
    return f"{group.last_seen_at.isoformat()}~{group.pk}"


def _cursor(text: str) -> tuple[datetime, str] | None:
    moment, _, fingerprint = text.partition("~")
    try:
        at = parse_datetime(moment)
    except ValueError:
        return None
    return (at, fingerprint[:16]) if at is not None and at.tzinfo is not None else None


def _alias() -> str:
    return get_settings().database
