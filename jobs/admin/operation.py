"""Bulk operations in the admin: how far they are, and which jobs they left alone and why."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.display import moment
from jobs.admin.reading import ReadOnlyAdmin
from jobs.filters import readable_by
from jobs.models import Operation

RESULTS_SHOWN = 100


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    """All bulk operations, youngest first."""

    list_display = [
        "id", "verb", "shown_state", "actor", "reason", "expected_count", "changed_count", "skipped_count",
        "failed_count", moment("started_at"), moment("finished_at"),
    ]  # fmt: skip
    list_filter = ["state", "verb"]
    fields = [
        ("verb", "shown_state"), "shown_filter", "fingerprint", "undoes", "shown_options", "per_second",
        ("actor", "reason"), ("expected_count", "possible_count", "is_capped"),
        ("changed_count", "skipped_count", "failed_count"), "shown_results", "error", "cancelled_by",
        (moment("created_at"), moment("started_at"), moment("finished_at")),
    ]  # fmt: skip

    @admin.display(description="state")
    def shown_state(self, operation: Any) -> SafeString:
        return display.badge(operation.state)

    @admin.display(description="filter")
    def shown_filter(self, operation: Any) -> SafeString:
        return display.line(readable_by(operation.looked_at_by, operation.filter))

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
