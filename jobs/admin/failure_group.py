"""Failures that are the same in the admin: one row leads to all their dead letters, with the verbs of that list."""

from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import failures
from jobs.admin import display
from jobs.admin.display import moment
from jobs.admin.reading import ReadOnlyAdmin
from jobs.models import FailureGroup


@admin.register(FailureGroup)
class FailureGroupAdmin(ReadOnlyAdmin):
    """All groups, the last to fail first."""

    view_permission = "jobs.view_job"
    list_display = [
        "exception_class", "shown_message", "frame", "count", moment("first_seen_at"), moment("last_seen_at"),
    ]  # fmt: skip
    search_fields = ["exception_class", "message", "frame"]
    fields = [
        "exception_class", "message", "shown_sample", "frame", "shown_tasks", "shown_counts", "shown_letters",
        (moment("first_seen_at"), moment("last_seen_at")), "fingerprint",
    ]  # fmt: skip

    @admin.display(description="message")
    def shown_message(self, group: Any) -> SafeString:
        return display.line(group.message)

    @admin.display(description="last message")
    def shown_sample(self, group: Any) -> SafeString:
        return display.block(group.sample)

    @admin.display(description="tasks")
    def shown_tasks(self, group: Any) -> str:
        return ", ".join(group.tasks)

    @admin.display(description="failed attempts")
    def shown_counts(self, group: Any) -> str:
        (row,) = failures.rows_of([group])
        return (
            f"{row.hour_count:,} in 1 h, {row.day_count:,} in 24 h, {row.week_count:,} in 7 d, {group.count:,} in all"
        )

    @admin.display(description="dead letters")
    def shown_letters(self, group: Any) -> SafeString:
        (row,) = failures.rows_of([group])
        address = reverse(f"{self.admin_site.name}:jobs_deadletter_changelist")
        return format_html('<a href="{}?fingerprint={}">{}</a>', address, group.pk, f"{row.dead_count:,}")
