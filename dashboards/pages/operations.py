"""Bulk operations and the audit log: what people have done, to how many jobs, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, bulk
from dashboards.audit_rows import audit_rows
from dashboards.job_verbs import BULK_WORDS
from dashboards.pages.screen import now_of, show, taken
from jobs.conf import get_settings
from jobs.filters import readable_by
from jobs.models import AuditEntry, FailureGroup, Job, Operation, OperationResult
from jobs.models.operation import OperationState
from jobs.operations import BULK_VERBS, counting_note, is_small, why_not_undone

RUNNING_LIMIT, ENDED_LIMIT, LOG_LIMIT, RESULT_LIMIT, SAMPLE_LIMIT = 50, 20, 30, 50, 10
REASONS_OF = 10_000
"""Results whose reasons are counted."""


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation as pages show it."""

    operation: Operation
    filter: str
    """The filter as whoever looks may read it."""
    group: str = ""
    """What the failures of its fingerprint are, if it was about a group of them."""

    @property
    def label(self) -> str:
        """Say what it does, and to which jobs."""
        options = self.operation.options
        verb = BULK_VERBS[self.operation.verb].label if self.operation.verb in BULK_VERBS else self.operation.verb
        if queue := options.get("queue"):
            return f"Move to {queue}"
        return f"{verb} at {str(options['run_after'])[:16]}" if options.get("run_after") else verb

    @property
    def jobs_said(self) -> str:
        operation = self.operation
        if operation.undoes_id:
            return f"what operation {operation.undoes_id} changed"
        if operation.fingerprint:
            return self.group or f"failures {operation.fingerprint}"
        return self.filter or "selected jobs"

    @property
    def expected_said(self) -> str:
        return f"{self.operation.expected_count:,}{'+' if self.operation.is_capped else ''}"

    @property
    def is_running(self) -> bool:
        return self.operation.state == OperationState.RUNNING

    @property
    def is_preview(self) -> bool:
        return self.operation.state == OperationState.PREVIEW

    @property
    def done_word(self) -> str:
        words = BULK_WORDS.get(self.operation.verb)
        return words.done if words else "changed"


@require_safe
@never_cache
@access.page("jobs.view_operation")
def operations(request: HttpRequest) -> HttpResponse:
    """Show running operations, those that are over, and the audit log."""
    rows = Operation.objects.using(_alias()).defer("ids")
    running = rows.filter(state=OperationState.RUNNING).order_by("id")[:RUNNING_LIMIT]
    over = rows.exclude(state__in=[OperationState.RUNNING, OperationState.PREVIEW]).order_by("-id")
    ended = _behind(over, request.GET.get("ended", ""), ENDED_LIMIT + 1)
    context: dict[str, Any] = {}
    if request.user.has_perm("jobs.view_auditentry"):
        # what operations did to each job stands in its history
        entries = AuditEntry.objects.using(_alias()).filter(operation_id=None).order_by("-id")
        log = _behind(entries, request.GET.get("log", ""), LOG_LIMIT + 1)
        context = {
            "log": audit_rows(log[:LOG_LIMIT], request.user),
            "older_log": log[LOG_LIMIT - 1].pk if len(log) > LOG_LIMIT else None,
        }
    return show(
        request, "operations", now=now_of(taken()), running=_rows(running, request.user),
        ended=_rows(ended[:ENDED_LIMIT], request.user),
        older=ended[ENDED_LIMIT - 1].pk if len(ended) > ENDED_LIMIT else None, **context,
    )  # fmt: skip


@require_safe
@never_cache
@access.page("jobs.view_operation")
def operation(request: HttpRequest, key: int) -> HttpResponse:
    """Show one operation: its preview, its progress or its results."""
    content = taken()
    found = get_object_or_404(Operation.objects.using(_alias()).select_related("undoes"), pk=key)
    verb = BULK_VERBS.get(found.verb)
    is_permitted = verb is not None and request.user.has_perm(verb.permission)
    after = request.GET.get("after", "")
    results = _results(found, after)
    return show(
        request, "operation", parent="operations", now=now_of(content), row=_rows([found], request.user)[0],
        words=BULK_WORDS.get(found.verb), is_permitted=is_permitted, undoing=found.undone_by.order_by("-id").first(),
        may_undo=request.user.has_perm(BULK_VERBS["restore"].permission) and not why_not_undone(found),
        counting_note=counting_note(found),
        reasons_capped=REASONS_OF if found.skipped_count + found.failed_count > REASONS_OF else None,
        is_typed=bulk.needs_typing(found), typed_word=bulk.typed_word(found), is_small=is_small(found),
        sample=_sample(found), reasons=_reasons(found), results=results[:RESULT_LIMIT],
        further=results[RESULT_LIMIT - 1].job_id if len(results) > RESULT_LIMIT else None,
        is_scheduler_up=content.get("health", {}).get("scheduler", {}).get("is_up", True),
    )  # fmt: skip


def _rows(found: Iterable[Operation], user: Any) -> list[OperationRow]:
    found = list(found)
    names: dict[str, str] = {}
    if user.has_perm("jobs.view_failuregroup") and (marks := {each.fingerprint for each in found if each.fingerprint}):
        groups = FailureGroup.objects.using(_alias()).filter(pk__in=marks).defer("minutes", "hours")
        names = {group.pk: str(group) for group in groups}
    return [
        OperationRow(each, readable_by(user, each.filter), names.get(each.fingerprint or "", "")) for each in found
    ]


def _behind(rows: Any, cursor: str, limit: int) -> list[Any]:
    """Return the rows that are older than the one named by the cursor, the youngest first."""
    if cursor.isdecimal() and len(cursor) < 19:
        rows = rows.filter(pk__lt=int(cursor))
    return list(rows[:limit])


def _results(found: Operation, after: str) -> list[OperationResult]:
    if found.state == OperationState.PREVIEW:
        return []
    rows = OperationResult.objects.using(_alias()).filter(operation=found)
    # by operation and job, as the index is; the primary key would lead through the results of all the others
    if after:
        try:
            rows = rows.filter(job_id__gt=UUID(after))
        except ValueError:
            return []
    return list(rows.order_by("job_id")[: RESULT_LIMIT + 1])


def _reasons(found: Operation) -> list[tuple[str, str, int]]:
    """Count why jobs were left alone, up to a cap; of a preview, what it has found."""
    if found.state == OperationState.PREVIEW:
        return [("skipped", why, number) for why, number in found.frequent_refusals]
    some = OperationResult.objects.using(_alias()).filter(operation=found).order_by("job_id")[:REASONS_OF]
    counted = OperationResult.objects.using(_alias()).filter(pk__in=some.values("pk")).order_by()
    rows: Sequence[Any] = counted.values_list("result", "reason").annotate(number=Count("pk"))
    return sorted(rows, key=lambda row: -row[2])


def _sample(found: Operation) -> list[Job]:
    """Return some of the jobs that were chosen one by one."""
    if found.state != OperationState.PREVIEW or not found.ids:
        return []
    rows = Job.objects.using(_alias()).filter(pk__in=found.ids[:SAMPLE_LIMIT])
    return list(rows.only("id", "task", "state", "queue").order_by("-id"))


def _alias() -> str:
    return get_settings().database
