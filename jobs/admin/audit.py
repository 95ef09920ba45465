"""The audit log in the admin."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.display import moment
from jobs.admin.payload import masked_change
from jobs.admin.reading import ReadOnlyAdmin
from jobs.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who changed what, when and why, youngest first."""

    list_display = [moment("at"), "actor", "action", "target", "result", "reason"]
    list_filter = ["action", "result"]
    search_fields = ["=target", "=actor"]
    search_help_text = 'A target as "job <id>", "queue <name>" or "schedule <name>", or an actor'
    fields = [moment("at"), "actor", "action", "target", "result", "reason", "shown_before", "shown_after"]

    @admin.display(description="before")
    def shown_before(self, entry: Any) -> SafeString:
        return _side(entry.before, entry.looked_at_by)

    @admin.display(description="after")
    def shown_after(self, entry: Any) -> SafeString:
        return _side(entry.after, entry.looked_at_by)


def _side(content: Any, user: Any) -> SafeString:
    return display.value(content if user.has_perm(display.PAYLOAD_PERMISSION) else masked_change(content), user)
