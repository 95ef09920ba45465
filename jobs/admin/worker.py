"""Workers in the admin."""

from typing import Any

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.confirmation import VerbAdmin, actions_of
from jobs.admin.display import moment
from jobs.admin.verbs import DRAIN, STOP
from jobs.models import Worker


@admin.register(Worker)
class WorkerAdmin(VerbAdmin):
    """Worker processes, living and ended, youngest first; the pool of each can be drained and stopped."""

    verbs = (DRAIN, STOP)
    actions = actions_of(verbs)

    list_display = ["id", "shown_state", "node", "pid", "shown_queues", "running", "memory", moment("heartbeat_at")]
    list_filter = ["state"]
    search_fields = ["id", "node"]
    fields = [
        "id", "shown_state", "pool", "node", "host", "pid", "shown_queues", "thread_count", "coroutine_count",
        "code_version", "memory", "shown_runs", moment("started_at"), moment("heartbeat_at"), moment("ended_at"),
    ]  # fmt: skip

    @admin.display(description="state")
    def shown_state(self, worker: Any) -> SafeString:
        return display.badge(worker.state)

    @admin.display(description="queues")
    def shown_queues(self, worker: Any) -> str:
        return ", ".join(worker.queues) or "all"

    @admin.display(description="running")
    def running(self, worker: Any) -> int:
        return len(worker.runs)

    @admin.display(description="memory")
    def memory(self, worker: Any) -> str:
        return filesizeformat(worker.memory_bytes) if worker.memory_bytes else "-"

    @admin.display(description="runs")
    def shown_runs(self, worker: Any) -> str:
        lines = [f"{run.get('job')} for {display.duration(run.get('seconds', 0))}" for run in worker.runs]
        return display.block("\n".join(lines))
