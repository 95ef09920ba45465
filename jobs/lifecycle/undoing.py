"""A discard or a cancellation is undone, as long as the row is kept: the job is again what it was before.

The audit log knows what that was. Only the last word counts: what somebody else has changed since stays as it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from jobs.conf import get_settings
from jobs.lifecycle.authority import Actor, permit
from jobs.lifecycle.changing import Report, Verb, each, why_key_is_held
from jobs.models import AuditEntry, Job
from jobs.statements import ledger
from jobs.states import JobState

UNDOABLE = ("discard", "cancel", "empty")
_STATE_ACTIONS = (*UNDOABLE, "retry", "edit", "restore", "run now")


def restore(
    jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "", operation_id: int | None = None
) -> Report:
    """Undo the discard or cancellation of jobs: discarded ones are dead letters again, cancelled ones wait again.

    `operation_id`: only what this bulk operation did last is undone.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.retry_job", "restore")
    undo = _Undo(operation_id)
    verb = Verb(
        action="restore", look=undo.look, refuse=undo.refuse, change=undo.change, counted=undo.counted,
        kept=("reason",),
    )  # fmt: skip
    return each(verb, jobs, actor, reason)


def why_not_restored(job: Job) -> str:
    """Say why `restore` would skip the job, its history aside; empty if it would not."""
    return "" if job.state == JobState.CANCELLED else f"a {job.state} job has nothing to undo"


class _Undo:
    """What a batch was before, and how it becomes so again."""

    def __init__(self, operation_id: int | None) -> None:
        self.operation_id = operation_id

    def look(self, jobs: Sequence[Job]) -> None:
        self.now = ledger().present()
        entries = AuditEntry.objects.using(get_settings().database).filter(
            target__in=[f"job {job.id}" for job in jobs], action__in=_STATE_ACTIONS, result="done"
        )
        told = entries.only("target", "action", "before", "operation_id").order_by("id")
        self.last = {entry.target: entry for entry in told}

    def refuse(self, job: Job) -> str:
        if why := why_not_restored(job):
            return why
        entry = self.last.get(f"job {job.id}")
        if entry is None or entry.action not in UNDOABLE:
            return "nobody discarded or cancelled it"
        if self.operation_id not in (None, entry.operation_id):
            return "it was changed since"
        return "" if entry.action == "discard" else why_key_is_held(job)

    def change(self, job: Job) -> dict[str, Any]:
        entry = self.last[f"job {job.id}"]
        was: dict[str, Any] = entry.before or {}
        values: dict[str, Any] = {"reason": was.get("reason", ""), "cancel_requested_at": None}
        if entry.action == "discard":
            ended_at = parse_datetime(was["finished_at"]) if was.get("finished_at") else None
            return {**values, "state": JobState.DEAD.value, "finished_at": ended_at or Now()}
        state = JobState.SCHEDULED if job.due_at > self.now else JobState.QUEUED
        return {**values, "state": state.value, "finished_at": None}

    def counted(self, job: Job) -> str:
        return "" if self.last[f"job {job.id}"].action == "discard" else "undone"
