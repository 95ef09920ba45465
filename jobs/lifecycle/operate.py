"""What people do to jobs and queues. Permission, legality and audit are checked here, once for every surface.

Each verb takes any number of jobs, changes those that it may, says of each other why not, and writes one audit row
per change. `actor` is a user, whose permissions are checked, or a text that names a command or the system. The verbs
that undo, move and copy stand in files of their own; this one gives all of them one address.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.definition import check_payload, registry
from jobs.lifecycle.authority import Actor, OnBehalf, actor_name, audit, note_refusal, permit
from jobs.lifecycle.changing import Report, Verb, each, why_key_is_held
from jobs.lifecycle.cloning import clone, why_not_cloned
from jobs.lifecycle.moving import move, run_now, why_not_moved, why_not_run_now
from jobs.lifecycle.pausing import pause_queue, resume_queue
from jobs.lifecycle.undoing import restore
from jobs.models import Job
from jobs.names import check_moment
from jobs.states import UNFINISHED, WAITING, JobState

__all__ = [
    "REVIVABLE", "Actor", "OnBehalf", "Report", "actor_name", "audit", "cancel", "check_arguments", "clone", "discard",
    "empty", "move", "note_refusal", "pause_queue", "permit", "restore", "resume_queue", "revive", "run_now",
    "version_of", "why_not_cancelled", "why_not_cloned", "why_not_discarded", "why_not_emptied", "why_not_moved",
    "why_not_retried", "why_not_run_now",
]  # fmt: skip

REVIVABLE = frozenset({JobState.DEAD, JobState.CANCELLED})


def revive(
    jobs: "QuerySet[Job] | Iterable[UUID]",
    *,
    actor: Actor,
    reason: str = "",
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    run_after: datetime | None = None,
    version: str = "",
) -> Report:
    """Retry dead jobs and undo cancelled ones, with fresh attempts and the history kept.

    `args` and `kwargs` replace the arguments (permission edit_job); they are checked against the task's signature.
    `run_after` delays the run. A job that is not at this `version` any more (see `version_of`) is skipped.

    Raises: NotPermitted; InvalidJob for arguments that do not fit.
    """
    permit(actor, "jobs.retry_job", "retry")
    is_edit = args is not None or kwargs is not None
    if is_edit:
        permit(actor, "jobs.edit_job", "edit")
    if run_after is not None:
        check_moment("run_after", run_after)
    target = JobState.SCHEDULED if run_after else JobState.QUEUED

    def change(job: Job) -> dict[str, Any]:
        edited: dict[str, Any] = {}
        if is_edit:
            new_args = job.args if args is None else list(args)
            new_kwargs = job.kwargs if kwargs is None else dict(kwargs)
            new_args, new_kwargs = check_arguments(job.task, new_args, new_kwargs)
            edited = {"args": new_args, "kwargs": new_kwargs}
        return {
            **edited,
            "state": target.value,
            "due_at": run_after or Now(),
            "failure_count": 0,
            "loss_count": 0,
            "finished_at": None,
            "cancel_requested_at": None,
            "reason": "",
            "expires_at": None,
        }

    def refuse(job: Job) -> str:
        if version and version != version_of(job):
            return "it has changed meanwhile"
        return why_not_retried(job) or why_key_is_held(job)

    action = "edit" if is_edit else "retry"
    return each(Verb(action=action, refuse=refuse, change=change, counted=lambda job: "revived"), jobs, actor, reason)


def why_not_retried(job: Job) -> str:
    """Say why a retry would skip the job, its unique key aside; empty if it would not."""
    if job.state not in REVIVABLE:
        return f"a {job.state} job cannot be retried"
    return "" if job.task in registry else f"no task named {job.task} is registered"


def discard(jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "") -> Report:
    """Give dead letters up: they become cancelled and can be restored or revived as long as they are kept.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.discard_job", "discard")

    def change(job: Job) -> dict[str, Any]:
        return {"state": JobState.CANCELLED.value, "finished_at": Now(), "reason": _said("discarded", actor, reason)}

    verb = Verb(
        action="discard", refuse=why_not_discarded, change=change, counted=lambda job: "state_cancelled",
        also_counted=lambda job: [("given_up", job.queue)], kept=("reason", "finished_at"),
    )  # fmt: skip
    return each(verb, jobs, actor, reason)


def why_not_discarded(job: Job) -> str:
    """Say why a discard would skip the job; empty if it would not."""
    return "" if job.state == JobState.DEAD else f"a {job.state} job cannot be discarded"


def cancel(jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "") -> Report:
    """Cancel unfinished jobs: one that does not run at once, a running one by asking it.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.cancel_job", "cancel")

    def change(job: Job) -> dict[str, Any]:
        return _ended(_said("cancelled", actor, reason)) if job.state in WAITING else {"cancel_requested_at": Now()}

    def counted(job: Job) -> str:
        return "state_cancelled" if job.state in WAITING else ""

    verb = Verb(action="cancel", refuse=why_not_cancelled, change=change, counted=counted, kept=("reason",))
    return each(verb, jobs, actor, reason)


def why_not_cancelled(job: Job) -> str:
    """Say why a cancellation would skip the job; empty if it would not."""
    if job.state not in UNFINISHED:
        return f"a {job.state} job cannot be cancelled"
    return "its cancellation was requested before" if job.cancel_requested_at else ""


def empty(jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "") -> Report:
    """Cancel those of a queue's jobs that wait; running ones go on. It can be undone.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.discard_job", "empty")

    def change(job: Job) -> dict[str, Any]:
        return _ended(_said("its queue was emptied", actor, reason))

    verb = Verb(
        action="empty", refuse=why_not_emptied, change=change, counted=lambda job: "state_cancelled", kept=("reason",)
    )
    return each(verb, jobs, actor, reason)


def why_not_emptied(job: Job) -> str:
    """Say why emptying its queue would skip the job; empty if it would not."""
    return "" if job.state in WAITING else f"a {job.state} job does not wait"


def check_arguments(task_name: str, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Check edited arguments as an enqueue would, and return plain copies.

    Raises: UnknownTask, InvalidJob.
    """
    task = registry.get(task_name)
    plain = check_payload(args, kwargs)
    task.bind(*plain)
    return plain


def version_of(job: Job) -> str:
    """Return a text that differs once the job has moved or its arguments have changed."""
    content = json.dumps([job.state, job.attempt, str(job.finished_at), job.args, job.kwargs])
    return hashlib.sha256(content.encode()).hexdigest()


def _ended(reason: str) -> dict[str, Any]:
    return {
        "state": JobState.CANCELLED.value,
        "finished_at": Now(),
        "published_at": None,
        "cancel_requested_at": Now(),
        "reason": reason,
    }


def _said(what: str, actor: Actor, reason: str) -> str:
    return f"{what} by {actor_name(actor)}{': ' + reason if reason else ''}"[:255]
