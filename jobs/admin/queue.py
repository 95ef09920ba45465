"""Queues in the admin: paused and resumed."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.confirmation import VerbAdmin, actions_of
from jobs.admin.display import moment
from jobs.admin.verbs import PAUSE, RESUME
from jobs.models import Queue


@admin.register(Queue)
class QueueAdmin(VerbAdmin):
    """All queues that were used or paused."""

    verbs = (PAUSE, RESUME)
    actions = actions_of(verbs)
    list_display = ["name", "shown_state", "paused_by", "paused_reason", moment("paused_at")]
    search_fields = ["name"]
    fields = ["name", "shown_state", moment("paused_at"), "paused_by", "paused_reason", moment("created_at")]

    @admin.display(description="state")
    def shown_state(self, queue: Any) -> SafeString:
        return display.badge("paused" if queue.paused_at else "active")
