"""Waiting jobs are moved: to another queue, or to the present."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.lifecycle.authority import Actor, permit
from jobs.lifecycle.changing import Report, Verb, each
from jobs.models import Job
from jobs.names import check_queue
from jobs.states import WAITING, JobState

MOVABLE = WAITING | {JobState.DEAD}
DELAYED = frozenset({JobState.SCHEDULED, JobState.RETRYING})


def move(jobs: "QuerySet[Job] | Iterable[UUID]", *, queue: str, actor: Actor, reason: str = "") -> Report:
    """Move waiting jobs and dead letters to another queue, on which a letter runs if it is retried.

    A message that stands on the old queue finds no job there any more; a fresh one is sent.

    Raises: NotPermitted, InvalidJob for a bad name.
    """
    check_queue("queue", queue)
    permit(actor, "jobs.edit_job", "move")

    def refuse(job: Job) -> str:
        return why_not_moved(job) or (f"it is on {queue} already" if job.queue == queue else "")

    def change(job: Job) -> dict[str, Any]:
        return {"queue": queue, "published_at": None}

    def counted(job: Job) -> list[tuple[str, str]]:
        return [("moved_out", job.queue), ("moved_in", queue)] if job.state in WAITING else []

    return each(Verb(action="move", refuse=refuse, change=change, also_counted=counted), jobs, actor, reason)


def why_not_moved(job: Job) -> str:
    """Say why a move would skip the job; empty if it would not."""
    return "" if job.state in MOVABLE else f"a {job.state} job cannot be moved"


def run_now(jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "") -> Report:
    """Let scheduled jobs and those that wait for their next attempt run now.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.retry_job", "run now")

    def change(job: Job) -> dict[str, Any]:
        return {"state": JobState.QUEUED.value, "due_at": Now(), "published_at": None}

    return each(Verb(action="run now", refuse=why_not_run_now, change=change), jobs, actor, reason)


def why_not_run_now(job: Job) -> str:
    """Say why `run_now` would skip the job; empty if it would not."""
    return "" if job.state in DELAYED else f"a {job.state} job does not wait for its time"
