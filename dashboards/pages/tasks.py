"""All tasks, and one task."""

from itertools import pairwise
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, words
from dashboards.pages.overview import chart_choices
from dashboards.pages.screen import now_of, search_of, show, taken
from dashboards.task_rows import DEFAULT_SPAN, SPANS, TaskRow, task_rows
from jobs.definition import registry
from jobs.models.statistic import BUCKET_BOUNDS

ROW_LIMIT = 100


@require_safe
@never_cache
@access.page("jobs.view_job")
def tasks(request: HttpRequest) -> HttpResponse:
    """Show how often each task runs, how often it fails, and how long it takes."""
    span, search = span_of(request), search_of(request)
    now = now_of(taken())
    rows = task_rows(span, now)
    found = [row for row in rows if search.lower() in row.name.lower()]
    return show(
        request, "tasks", now=now, rows=found[:ROW_LIMIT], total=len(rows), found=len(found), search=search,
        limit=ROW_LIMIT, spans=list(SPANS), span=span, span_words=SPANS[span][0], every=10,
    )  # fmt: skip


@require_safe
@never_cache
@access.page("jobs.view_job")
def task(request: HttpRequest, name: str) -> HttpResponse:
    """Show one task: its chart, and how long its runs take."""
    span, now = span_of(request), now_of(taken())
    row = next((row for row in task_rows(span, now) if row.name == name), None)
    if row is None:
        raise Http404
    return show(
        request, "task", parent="tasks", now=now, row=row, span=span, span_words=SPANS[span][0], buckets=_buckets(row),
        chart=chart_choices(request), options=_options(name), every=10,
    )  # fmt: skip


def span_of(request: HttpRequest) -> str:
    """Return the range that the address has chosen."""
    span = request.GET.get("span", "")
    return span if span in SPANS else DEFAULT_SPAN


def _buckets(row: TaskRow) -> list[tuple[str, int]]:
    """Name the buckets, without the empty ones at both ends."""
    least, most = words.duration(BUCKET_BOUNDS[0]), words.duration(BUCKET_BOUNDS[-1])
    names = [f"{words.duration(lower)} to {words.duration(upper)}" for lower, upper in pairwise(BUCKET_BOUNDS)]
    named = list(zip([f"up to {least}", *names, f"over {most}"], row.buckets, strict=True))
    filled = [index for index, (_, count) in enumerate(named) if count]
    return named[filled[0] : filled[-1] + 1] if filled else []


def _options(name: str) -> list[tuple[str, Any]]:
    """Return what the code says of a task that it registers."""
    if name not in registry:
        return []
    found = registry.get(name)
    return [("Queue", found.queue_name), ("Priority", found.priority)]
