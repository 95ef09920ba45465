"""Schedules in the admin: enabled, disabled, run now."""

from typing import Any

from cron_descriptor import FormatError, get_description
from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.confirmation import VerbAdmin, actions_of
from jobs.admin.display import moment
from jobs.admin.verbs import DISABLE, ENABLE, RUN_NOW
from jobs.models import Schedule


@admin.register(Schedule)
class ScheduleAdmin(VerbAdmin):
    """All schedules, by name."""

    verbs = (RUN_NOW, ENABLE, DISABLE)
    actions = actions_of(verbs)
    list_display = [
        "name",
        "task",
        "timing",
        "shown_state",
        moment("next_at"),
        moment("last_at"),
        "is_edited",
        "last_error",
    ]
    list_filter = ["is_enabled", "is_edited"]
    search_fields = ["name", "task"]
    fields = [
        "name", "task", "shown_arguments", "queue", "priority", "timing", "timezone", "misfire",
        "shown_state", "is_edited", moment("next_at"), moment("last_at"), "last_error", moment("created_at"),
    ]  # fmt: skip

    def audit_target(self, obj: Any) -> str:
        return f"schedule {obj.name}"

    @admin.display(description="runs")
    def timing(self, schedule: Any) -> str:
        if not schedule.cron:
            return f"Every {display.duration(schedule.every_seconds)}"
        try:
            return f"{get_description(schedule.cron)} ({schedule.cron})"
        except (FormatError, ValueError):
            return str(schedule.cron)

    @admin.display(description="state")
    def shown_state(self, schedule: Any) -> SafeString:
        return display.badge("active" if schedule.is_enabled else "disabled")

    @admin.display(description="arguments")
    def shown_arguments(self, schedule: Any) -> SafeString:
        return display.arguments(schedule.task, schedule.args, schedule.kwargs, schedule.looked_at_by)
