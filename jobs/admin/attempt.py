"""Attempts in the admin: the history across jobs."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.display import moment
from jobs.admin.reading import ReadOnlyAdmin
from jobs.models import Attempt


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """All attempts, youngest first."""

    view_permission = "jobs.view_job"
    list_display = ["id", "job_id", "number", "shown_outcome", "exception_class", "queue", moment("finished_at")]
    list_filter = ["outcome"]
    search_fields = ["=job__id"]
    search_help_text = "A job's id"
    ordering = ["-id"]
    raw_id_fields = ["job"]
    fields = [
        "job", "number", "shown_outcome", "exception_class", "message", "shown_traceback", "shown_log", "queue",
        "worker", "host", "pid", "code_version", moment("started_at"), moment("finished_at"), "is_alone",
    ]  # fmt: skip

    @admin.display(description="outcome")
    def shown_outcome(self, attempt: Any) -> SafeString:
        return display.badge(attempt.outcome)

    @admin.display(description="traceback")
    def shown_traceback(self, attempt: Any) -> SafeString:
        return display.block(attempt.traceback)

    @admin.display(description="log")
    def shown_log(self, attempt: Any) -> SafeString:
        return display.block(attempt.log or "")
