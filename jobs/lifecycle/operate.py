"""What people do to jobs and queues. Permission, legality and audit are checked here, once for every surface.

Each verb takes any number of jobs, changes those that it may, says of each other why not, and writes one audit row
per change. `actor` is a user, whose permissions are checked, or a text that names a command or the system.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs import events
from jobs.definition import check_payload, registry
from jobs.errors import NotPermitted
from jobs.failpoints import reach
from jobs.lifecycle.conflicts import again_on_conflict
from jobs.lifecycle.counting import count
from jobs.lifecycle.publishing import unpublish_queue
from jobs.models import AuditEntry, Job, Queue
from jobs.names import check_moment, check_name
from jobs.statements import ledger_transaction
from jobs.states import UNFINISHED, WAITING, JobState

_BATCH = 500
REVIVABLE = frozenset({JobState.DEAD, JobState.CANCELLED})
Actor = Any  # a user of django.contrib.auth (or like one), or a text


@dataclass(slots=True)
class Report:
    """What a verb did: the changed jobs, and for each other one why it was skipped."""

    changed: list[UUID | int] = field(default_factory=list)
    skipped: dict[UUID | int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        text = f"{len(self.changed)} changed"
        for why in sorted(set(self.skipped.values())):
            text += f", {sum(1 for reason in self.skipped.values() if reason == why)} skipped: {why}"
        return text


def revive(
    jobs: "QuerySet[Job] | Iterable[UUID]",
    *,
    actor: Actor,
    reason: str = "",
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    run_after: datetime | None = None,
) -> Report:
    """Retry dead jobs and undo cancelled ones, with fresh attempts and the history kept.

    `args` and `kwargs` replace the arguments (permission edit_job); they are checked against the task's signature.
    `run_after` delays the run.

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
        if job.state not in REVIVABLE:
            return f"a {job.state} job cannot be retried"
        if job.task not in registry:
            return f"no task named {job.task} is registered"
        if job.unique_key and _is_key_held(job):
            return f"another unfinished job holds the unique key {job.unique_key}"
        return ""

    return _operate("edit" if is_edit else "retry", jobs, actor, reason, refuse, change)


def discard(jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "") -> Report:
    """Give dead letters up: they become cancelled and can be revived as long as they are kept.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.discard_job", "discard")

    def refuse(job: Job) -> str:
        return "" if job.state == JobState.DEAD else f"a {job.state} job cannot be discarded"

    def change(job: Job) -> dict[str, Any]:
        return {"state": JobState.CANCELLED.value, "finished_at": Now(), "reason": _said("discarded", actor, reason)}

    return _operate("discard", jobs, actor, reason, refuse, change)


def cancel(jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "") -> Report:
    """Cancel unfinished jobs: one that does not run at once, a running one by asking it.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.cancel_job", "cancel")

    def refuse(job: Job) -> str:
        if job.state not in UNFINISHED:
            return f"a {job.state} job cannot be cancelled"
        return "its cancellation was requested before" if job.cancel_requested_at else ""

    def change(job: Job) -> dict[str, Any]:
        if job.state not in WAITING:
            return {"cancel_requested_at": Now()}
        said = _said("cancelled", actor, reason)
        return {
            "state": JobState.CANCELLED.value,
            "finished_at": Now(),
            "published_at": None,
            "cancel_requested_at": Now(),
            "reason": said,
        }

    return _operate("cancel", jobs, actor, reason, refuse, change)


def pause_queue(name: str, *, actor: Actor, reason: str = "") -> bool:
    """Let no worker claim from the queue; running jobs go on. Return False if it was paused already.

    Raises: NotPermitted, InvalidJob for a bad name.
    """
    return _set_pause(name, actor, reason, is_paused=True)


def resume_queue(name: str, *, actor: Actor, reason: str = "") -> bool:
    """Let workers claim from the queue again. Return False if it was not paused.

    Raises: NotPermitted, InvalidJob for a bad name.
    """
    return _set_pause(name, actor, reason, is_paused=False)


def _set_pause(name: str, actor: Actor, reason: str, *, is_paused: bool) -> bool:
    check_name("queue", name)
    permit(actor, "jobs.pause_queue", "pause" if is_paused else "resume", target=f"queue {name}")
    return again_on_conflict(partial(_write_pause, name, actor, reason, is_paused=is_paused))


def _write_pause(name: str, actor: Actor, reason: str, *, is_paused: bool) -> bool:
    with ledger_transaction():
        queue, _ = Queue.objects.select_for_update().get_or_create(name=name)
        if (queue.paused_at is not None) == is_paused:
            return False
        values = (Now(), actor_name(actor), reason) if is_paused else (None, "", "")
        Queue.objects.filter(name=name).update(
            paused_at=values[0], paused_by=values[1][:150], paused_reason=values[2][:255]
        )
        # messages that stand on the transport become void; the dispatcher sends fresh ones after the resume
        unpublish_queue(name)
        audit(actor, "pause" if is_paused else "resume", f"queue {name}", reason)
        events.emit_on_commit(events.QueueChanged(name, is_paused))
    return True


def permit(actor: Actor, permission: str, action: str, target: str = "") -> None:
    """Check that the actor may do this; a refusal is written to the audit log.

    Raises: NotPermitted.
    """
    if isinstance(actor, str) or actor.has_perm(permission):
        return
    note_refusal(actor, action, target)
    raise NotPermitted(f"{actor_name(actor)} lacks the permission {permission}")


def note_refusal(actor: Actor, action: str, target: str = "") -> None:
    """Append to the audit log that the actor was not let."""
    AuditEntry.objects.create(actor=actor_name(actor)[:150], action=action, target=target[:160], result="refused")


def check_arguments(task_name: str, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Check edited arguments as an enqueue would, and return plain copies.

    Raises: UnknownTask, InvalidJob.
    """
    task = registry.get(task_name)
    plain = check_payload(args, kwargs)
    task.bind(*plain)
    return plain


def actor_name(actor: Actor) -> str:
    """Return the name under which the actor stands in the audit log."""
    return actor if isinstance(actor, str) else str(actor.get_username()) or "anonymous"


def audit(actor: Actor, action: str, target: str, reason: str, before: Any = None, after: Any = None) -> None:
    """Append one row to the audit log."""
    AuditEntry.objects.create(
        actor=actor_name(actor)[:150], action=action, target=target, reason=reason[:255], before=before, after=after
    )


def _operate(
    action: str,
    jobs: "QuerySet[Job] | Iterable[UUID]",
    actor: Actor,
    reason: str,
    refuse: Callable[[Job], str],
    change: Callable[[Job], dict[str, Any]],
) -> Report:
    ids = list(jobs.values_list("id", flat=True)) if isinstance(jobs, QuerySet) else [UUID(str(job)) for job in jobs]
    ids = list(dict.fromkeys(ids))  # one that is named twice is changed, counted and audited once
    report = Report()
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        done = again_on_conflict(partial(_operate_batch, action, batch, actor, reason, refuse, change))
        reach("operate.committed")
        report = Report(report.changed + done.changed, report.skipped | done.skipped)
    return report


def _operate_batch(
    action: str,
    ids: Sequence[UUID],
    actor: Actor,
    reason: str,
    refuse: Callable[[Job], str],
    change: Callable[[Job], dict[str, Any]],
) -> Report:
    report = Report()
    with ledger_transaction():
        # locked in the order of ids, as every batch statement does
        rows = {job.id: job for job in Job.objects.select_for_update().filter(id__in=ids).order_by("id")}
        entries: list[AuditEntry] = []
        for job_id in ids:
            job = rows.get(job_id)
            why = refuse(job) if job else "there is no such job"
            if why or job is None:
                report.skipped[job_id] = why
                continue
            values = change(job)
            Job.objects.filter(id=job_id, state=job.state).update(**values)
            entries.append(_entry(action, job, values, actor, reason))
            report.changed.append(job_id)
        AuditEntry.objects.bulk_create(entries)
        reach("operate.written")
        changed = [job for job_id, job in rows.items() if job_id not in report.skipped]
        _count(action, changed)
        if changed:
            events.emit_on_commit(events.JobsOperated(action, actor_name(actor), tuple(job.id for job in changed)))
    return report


def _count(action: str, jobs: Sequence[Job]) -> None:
    ended = [job for job in jobs if action == "discard" or (action == "cancel" and job.state in WAITING)]
    count("state_cancelled", ((job.queue, job.task) for job in ended))
    if action in {"retry", "edit"}:
        count("revived", ((job.queue, job.task) for job in jobs))


def _entry(action: str, job: Job, values: Mapping[str, Any], actor: Actor, reason: str) -> AuditEntry:
    told = ("state", "args", "kwargs", "failure_count")
    before = {name: getattr(job, name) for name in told if name in values}
    after = {name: values[name] for name in told if name in values}
    if "cancel_requested_at" in values and not after:
        before, after = {"state": job.state}, {"state": job.state, "cancel_requested": True}
    return AuditEntry(
        actor=actor_name(actor)[:150], action=action, target=f"job {job.id}", reason=reason[:255], before=before,
        after=after,
    )  # fmt: skip


def _is_key_held(job: Job) -> bool:
    return (
        Job.objects.filter(unique_key=job.unique_key, state__in=sorted(UNFINISHED)).exclude(id=job.id).exists()
    )


def _said(what: str, actor: Actor, reason: str) -> str:
    return f"{what} by {actor_name(actor)}{': ' + reason if reason else ''}"[:255]
