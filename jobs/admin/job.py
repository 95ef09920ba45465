"""Jobs in the admin: found by id, task, queue and state, with every attempt and its traceback."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.confirmation import actions_of
from jobs.admin.display import moment
from jobs.admin.editing import EditAdmin
from jobs.admin.lists import QueueFilter, StateFilter, TaskFilter
from jobs.admin.verbs import CANCEL, CLONE, DISCARD, RESTORE, RETRY, RUN_JOB_NOW, Verb
from jobs.errors import FilterError
from jobs.filters import Search, parse
from jobs.models import Attempt, Job

ATTEMPTS_SHOWN = 25
BULKY = ("args", "kwargs", "meta", "progress", "result", "tags")


class LatestAttempts(BaseInlineFormSet):  # type: ignore[type-arg] # generic in the stubs only
    """The last attempts of a job; one that snoozed for a year has thousands."""

    def get_queryset(self) -> Any:
        if not hasattr(self, "_latest"):
            self._latest = super().get_queryset()[:ATTEMPTS_SHOWN]
        return self._latest


class AttemptInline(admin.StackedInline):  # type: ignore[type-arg] # generic in the stubs only
    """The attempts on a job's page, the last one first."""

    model = Attempt
    formset = LatestAttempts
    template = "jobs/admin/attempts.html"
    ordering = ["-number"]
    fields = ("number",)
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("jobs.view_job")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class JobPage(EditAdmin):
    """What jobs and dead letters have in common."""

    verbs: ClassVar[tuple[Verb, ...]] = (RETRY, RUN_JOB_NOW, CANCEL, DISCARD, RESTORE, CLONE)
    view_permission = "jobs.view_job"
    search_fields = ["id", "task"]
    search_help_text = 'A filter, as in: state:dead task:billing error:Timeout created:>-2h; or a part of a name or id'
    list_filter: ClassVar[Any] = [StateFilter, QueueFilter, TaskFilter]
    inlines = [AttemptInline]
    fieldsets = [
        (None, {"fields": [
            ("shown_state", "task"), ("queue", "priority"), ("attempt", "failure_count", "loss_count"), "reason",
            "shown_progress",
        ]}),
        ("Payload", {"fields": ["shown_arguments", "shown_result"]}),
        ("Times", {"fields": [
            (moment("created_at"), moment("due_at"), moment("finished_at")),
            (moment("published_at"), moment("claimed_at"), moment("cancel_requested_at")),
        ]}),
        ("Details", {"classes": ["collapse"], "fields": [
            "id", "worker", ("max_attempts", "timeout_seconds", moment("expires_at")), "unique_key",
            "correlation_id", "subject", "tenant", "tags", "shown_meta", "parent_id", "enqueued_by", "trace",
        ]}),
    ]  # fmt: skip

    def audit_target(self, obj: Any) -> str:
        return f"job {obj.pk}"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows = super().get_queryset(request)
        is_list = "object_id" not in request.resolver_match.kwargs if request.resolver_match else True
        return rows.defer(*BULKY) if is_list else rows

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        if not search_term.strip():
            return queryset, False
        try:
            found, note = Search(parse(search_term), actor=request.user).among(queryset)
        except FilterError as error:
            found, note = queryset.none(), str(error)
        if note and request.method == "GET":  # behind an action the same list is shown again
            messages.warning(request, note)
        return found, False

    @admin.display(description="state")
    def shown_state(self, job: Any) -> SafeString:
        return display.badge(job.state)

    @admin.display(description="id")
    def shown_id(self, job: Any) -> SafeString:
        return format_html('<span class="queuehub-id">{}</span>', job.pk)

    @admin.display(description="reason")
    def shown_reason(self, job: Any) -> SafeString:
        return display.line(job.reason)

    @admin.display(description="arguments")
    def shown_arguments(self, job: Any) -> SafeString:
        return display.arguments(job.task, job.args, job.kwargs, job.looked_at_by)

    @admin.display(description="result")
    def shown_result(self, job: Any) -> SafeString:
        return display.value(job.result, job.looked_at_by)

    @admin.display(description="progress")
    def shown_progress(self, job: Any) -> SafeString:
        return display.value(job.progress, job.looked_at_by)

    @admin.display(description="meta")
    def shown_meta(self, job: Any) -> SafeString:
        return display.value(job.meta, job.looked_at_by)


@admin.register(Job)
class JobAdmin(JobPage):
    """All jobs, youngest first."""

    list_display = [
        "task", "shown_state", "queue", "attempt", moment("created_at"), moment("finished_at"), "shown_reason",
        "shown_id",
    ]  # fmt: skip
    actions = actions_of(JobPage.verbs)
