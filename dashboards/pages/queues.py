"""All queues, and one queue."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, figures, slots
from dashboards.actions import usable
from dashboards.pages.overview import chart_choices
from dashboards.pages.screen import now_of, search_of, show, taken
from dashboards.queue_rows import queue_rows
from dashboards.snapshot import WORKER_LIMIT
from jobs.conf import get_settings
from jobs.models import AuditEntry

ROW_LIMIT = 200
LOG_LIMIT = 10


@require_safe
@never_cache
@access.page("jobs.view_queue")
def queues(request: HttpRequest) -> HttpResponse:
    """Show every queue with its depths, its workers and its last minutes."""
    content, search = taken(), search_of(request)
    now = now_of(content)
    rows = queue_rows(content, now, figures.queues(), figures.living_workers(WORKER_LIMIT))
    found = [row for row in rows if search.lower() in row.name.lower()]
    return show(
        request, "queues", now=now, rows=found[:ROW_LIMIT], search=search, total=len(rows), found=len(found),
        verbs=usable(request.user, "queue"),
    )  # fmt: skip


@require_safe
@never_cache
@access.page("jobs.view_queue")
def queue(request: HttpRequest, name: str) -> HttpResponse:
    """Show one queue: its chart, the workers that serve it, and who changed it."""
    content = taken()
    now, workers = now_of(content), figures.living_workers(WORKER_LIMIT)
    row = next((row for row in queue_rows(content, now, figures.queues(), workers) if row.name == name), None)
    if row is None:
        raise Http404
    running = slots.running_jobs(workers)
    serving = [worker for worker in workers if slots.serves(worker, name)]
    log = None
    if request.user.has_perm("jobs.view_auditentry"):
        entries = AuditEntry.objects.using(get_settings().database).filter(target=f"queue {name}")
        log = list(entries.order_by("-id")[:LOG_LIMIT])
    return show(
        request, "queue", parent="queues", now=now, row=row, chart=chart_choices(request), log=log,
        runs=[run for worker in serving for run in running.get(worker.pk, []) if run.queue == name][:20],
        verbs=usable(request.user, "queue"),
    )  # fmt: skip
