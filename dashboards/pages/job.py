"""One job: what it is, why it does not run, what each attempt said, and what can be done about it."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access
from dashboards.attempt_rows import attempt_rows, path_of
from dashboards.audit_rows import audit_rows
from dashboards.job_rows import job_rows
from dashboards.job_verbs import job_buttons
from dashboards.pages.edit import may_edit
from dashboards.pages.screen import now_of, show, taken
from jobs.admin.display import PAYLOAD_PERMISSION
from jobs.admin.payload import masked, masked_arguments, named_arguments, pretty
from jobs.conf import get_settings
from jobs.definition import registry
from jobs.errors import FilterError
from jobs.filters import Search, parse, written
from jobs.models import Attempt, AuditEntry, FailureGroup, Job
from jobs.states import Outcome
from jobs.why import why

ATTEMPT_LIMIT, HISTORY_LIMIT, RUN_LIMIT = 25, 50, 8
ALARMING = frozenset({"no_worker", "worker_silent", "scheduler_silent", "broker_away", "unknown_task"})
CALM = frozenset({"finished", "running", "starting", "behind", "not_due"})
RUNS_SECONDS = 0.05
"""How long the page waits for the list of the task's other jobs, which is not what it is opened for."""


@require_safe
@never_cache
@access.page("jobs.view_job")
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show one job with its attempts, payload, history and the last runs of its task."""
    found = Job.objects.using(_alias()).filter(pk=job_id).first()
    if found is None:
        raise Http404
    content = taken()
    now = now_of(content)
    cause = why(found, is_broker_up=content["health"]["broker"]["is_up"])
    attempts = list(Attempt.objects.using(_alias()).filter(job=found).order_by("-number")[:ATTEMPT_LIMIT])
    return show(
        request, "job", parent="jobs", now=now, job=found, why=cause,
        why_level="bad" if cause.code in ALARMING else "calm" if cause.code in CALM else "",
        buttons=job_buttons(request.user, found), may_edit=may_edit(request.user, found),
        attempts=attempt_rows(attempts), attempt_limit=ATTEMPT_LIMIT, path=path_of(found, attempts),
        lost=next((each for each in attempts if each.outcome == Outcome.LOST), None),
        group=_group(found), facts=_facts(found), **_payload(found, request.user), **_around(found, request.user),
    )  # fmt: skip


def _payload(found: Job, user: Any) -> dict[str, Any]:
    """Return what the job was given and gave, masked unless the user may see it."""
    is_open = user.has_perm(PAYLOAD_PERMISSION)
    arguments = (named_arguments if is_open else masked_arguments)(found.task, found.args, found.kwargs)
    shown = {
        name: pretty(value if is_open else masked(value)) if value not in (None, {}, []) else ""
        for name, value in (("result", found.result), ("progress", found.progress), ("meta", found.meta))
    }
    return {
        "arguments": [(name, pretty(value)) for name, value in arguments], "is_masked": not is_open, "payload": shown,
        "progress": _progress(found.progress) if is_open else None,
    }  # fmt: skip


def _progress(told: Any) -> dict[str, Any] | None:
    """Return how far the task says it is, if it says it as `context.progress` does."""
    if not isinstance(told, dict) or not isinstance(told.get("done"), int | float):
        return None
    total = told.get("total")
    has_total = isinstance(total, int | float) and total > 0
    return {"done": told["done"], "total": total if has_total else None, "message": str(told.get("message") or "")}


def _around(found: Job, user: Any) -> dict[str, Any]:
    """Return who changed the job, and the last jobs of its task."""
    around: dict[str, Any] = {}
    if user.has_perm("jobs.view_auditentry"):
        entries = AuditEntry.objects.using(_alias()).filter(target=f"job {found.pk}").order_by("-id")
        around["log"] = audit_rows(entries[:HISTORY_LIMIT], user)
    try:
        search = Search(parse(written("task", [found.task])), actor=user, seconds=RUNS_SECONDS)
        runs = [each for each in search.page(limit=RUN_LIMIT + 1).jobs if each.pk != found.pk]
    except FilterError:  # it takes too long
        runs = []
    return {**around, "runs": job_rows(runs[:RUN_LIMIT]), "runs_filter": written("task", [found.task])}


def _group(found: Job) -> FailureGroup | None:
    if not found.fingerprint:
        return None
    groups = FailureGroup.objects.using(_alias()).defer("minutes", "hours")
    return groups.filter(pk=found.fingerprint).first()


def _facts(found: Job) -> list[tuple[str, Any]]:
    """Return the lesser columns that say something, with their names."""
    task = registry.get(found.task) if found.task in registry else None
    limit = found.max_attempts or (task.attempts_allowed if task else None)
    told = (
        ("Attempts", f"{found.failure_count} failed of {limit}" if limit else f"{found.failure_count} failed"),
        ("Lost runs", found.loss_count or ""),
        ("Time limit", f"{found.timeout_seconds} s" if found.timeout_seconds else ""),
        ("Worker", found.worker),
        ("Unique key", found.unique_key or ""),
        ("Tags", ", ".join(map(str, found.tags)) if isinstance(found.tags, list) else ""),
        ("Correlation id", found.correlation_id),
        ("Tenant", found.tenant),
        ("Subject", found.subject),
        ("Enqueued by", found.enqueued_by),
        ("Trace", _trace(found)),
    )
    return [(name, value) for name, value in told if value]


def _trace(found: Job) -> str:
    """Return the trace in which the job was enqueued, as a link if the settings say where traces are shown."""
    url = get_settings().trace_url
    if not (url and found.trace_id):
        return found.trace_id or found.trace
    return format_html('<a href="{}" rel="noreferrer">{}</a>', url.format(trace_id=found.trace_id), found.trace_id)


def _alias() -> str:
    return get_settings().database
