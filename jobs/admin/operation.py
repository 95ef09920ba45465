"""Bulk operations in the admin: how far they are, and which jobs they left alone and why."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.confirmation import VerbAdmin
from jobs.admin.display import moment
from jobs.admin.verbs import STOP_OPERATION, UNDO_OPERATION, Verb
from jobs.filters import readable_by
from jobs.models import Operation
from jobs.operations import BULK_VERBS, counting_note

RESULTS_SHOWN = 100


@admin.register(Operation)
class OperationAdmin(VerbAdmin):
    """All bulk operations, youngest first."""

    verbs = (STOP_OPERATION, UNDO_OPERATION)
    list_display = [
        "id", "verb", "shown_state", "actor", "reason", "expected_count", "changed_count", "skipped_count",
        "failed_count", moment("started_at"), moment("finished_at"),
    ]  # fmt: skip
    list_filter = ["state", "verb"]
    fields = [
        ("verb", "shown_state"), "shown_filter", "fingerprint", "shown_chosen", ("undoes", "shown_undone_by"),
        "shown_options", "per_second", ("actor", "reason"),
        ("expected_count", "possible_count"), "shown_counting", "shown_refusals",
        ("changed_count", "skipped_count", "failed_count"), "shown_results", "error", "cancelled_by",
        (moment("created_at"), moment("started_at"), moment("finished_at")),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("undoes")

    def permission_for(self, verb: Verb, obj: Any = None) -> str:
        if verb is STOP_OPERATION and obj is not None and obj.verb in BULK_VERBS:
            return BULK_VERBS[obj.verb].permission
        return super().permission_for(verb, obj)

    def page_after(self, request: HttpRequest, obj: Any) -> str:
        # behind an undo, the operation that does it
        return self.url("change", obj.undone_by.order_by("-id").first() or obj)

    @admin.display(description="state")
    def shown_state(self, operation: Any) -> SafeString:
        return display.badge(operation.state)

    @admin.display(description="filter")
    def shown_filter(self, operation: Any) -> SafeString:
        return display.line(readable_by(operation.looked_at_by, operation.filter))

    @admin.display(description="chosen jobs")
    def shown_chosen(self, operation: Any) -> str:
        return f"{len(operation.ids):,}" if operation.ids is not None else "-"

    @admin.display(description="undone by")
    def shown_undone_by(self, operation: Any) -> SafeString:
        found = operation.undone_by.order_by("-id").first()
        if found is None:
            return SafeString("-")
        return format_html('<a href="{}">{}</a> {}', self.url("change", found), found, display.badge(found.state))

    @admin.display(description="not counted")
    def shown_counting(self, operation: Any) -> str:
        return counting_note(operation) or "-"

    @admin.display(description="could not be changed")
    def shown_refusals(self, operation: Any) -> SafeString:
        return display.block("\n".join(f"{number:,} {why}" for why, number in operation.frequent_refusals))

    @admin.display(description="options")
    def shown_options(self, operation: Any) -> SafeString:
        return display.value(operation.options, operation.looked_at_by)

    @admin.display(description="left alone")
    def shown_results(self, operation: Any) -> SafeString:
        rows = operation.results.all()[: RESULTS_SHOWN + 1]
        lines = [f"{row.job_id} {row.result}: {row.reason}" for row in rows[:RESULTS_SHOWN]]
        if len(rows) > RESULTS_SHOWN:
            lines.append("… and more")
        return display.block("\n".join(lines))
