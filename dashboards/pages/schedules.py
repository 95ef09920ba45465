"""All schedules."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access
from dashboards.actions import usable
from dashboards.pages.screen import now_of, search_of, show, taken
from dashboards.schedule_rows import schedule_rows

ROW_LIMIT = 100


@require_safe
@never_cache
@access.page("jobs.view_schedule")
def schedules(request: HttpRequest) -> HttpResponse:
    """Show each schedule with its times, its last runs and its lag."""
    search = search_of(request)
    rows = schedule_rows(search, ROW_LIMIT + 1)
    return show(
        request, "schedules", now=now_of(taken()), rows=rows[:ROW_LIMIT], is_capped=len(rows) > ROW_LIMIT,
        limit=ROW_LIMIT, search=search, verbs=usable(request.user, "schedule"),
    )  # fmt: skip
