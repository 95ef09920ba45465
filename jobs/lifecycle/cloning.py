"""Jobs are copied: the same work as a new job, with a life of its own."""

from collections.abc import Iterable, Sequence
from functools import partial
from uuid import UUID

from django.db.models import QuerySet

from jobs import events
from jobs.definition import registry
from jobs.errors import InvalidJob
from jobs.lifecycle.authority import Actor, actor_name, append, entry, permit
from jobs.lifecycle.changing import Report, batches, rows
from jobs.lifecycle.conflicts import again_on_conflict
from jobs.models import AuditEntry, Job
from jobs.statements import ledger_transaction

_COPIED = (
    "task", "args", "kwargs", "queue", "priority", "max_attempts", "timeout_seconds", "unique_key", "tags", "meta",
    "correlation_id", "tenant", "subject",
)  # fmt: skip


def clone(jobs: "QuerySet[Job] | Iterable[UUID]", *, actor: Actor, reason: str = "") -> Report:
    """Enqueue a copy of each job, due now; `parent_id` of the copy names the original.

    The audit row stands with the original and names the copy. A job whose unique key an unfinished one holds is
    skipped.

    Raises: NotPermitted.
    """
    permit(actor, "jobs.edit_job", "clone")
    report = Report()
    for ids in batches(jobs):
        done = again_on_conflict(partial(_clone_batch, ids, actor, reason))
        report = Report(report.changed + done.changed, report.skipped | done.skipped)
    return report


def why_not_cloned(job: Job) -> str:
    """Say why the job would not be copied, its unique key aside; empty if it would."""
    return "" if job.task in registry else f"no task named {job.task} is registered"


def _clone_batch(ids: Sequence[UUID], actor: Actor, reason: str) -> Report:
    report = Report()
    with ledger_transaction():
        found = rows().in_bulk(list(ids))
        entries: list[AuditEntry] = []
        for job_id in ids:
            job = found.get(job_id)
            copy, why = _copied(job, actor) if job else (None, "there is no such job")
            if copy is None:
                report.skipped[job_id] = why
                continue
            entries.append(entry(actor, "clone", f"job {job_id}", reason, after={"clone": str(copy.id)}))
            report.changed.append(job_id)
        append(entries)
        if report.changed:
            changed = tuple(UUID(str(job_id)) for job_id in report.changed)
            events.emit_on_commit(events.JobsOperated("clone", actor_name(actor), changed))
    return report


def _copied(job: Job, actor: Actor) -> tuple[Job | None, str]:
    if why := why_not_cloned(job):
        return None, why
    values = {name: getattr(job, name) for name in _COPIED}
    try:
        copy: Job = Job.objects.create(**values, parent_id=job.id, enqueued_by=actor_name(actor)[:128])
    except InvalidJob as error:  # the task's signature has changed since
        return None, str(error)
    if copy.is_duplicate:
        return None, f"another unfinished job holds the unique key {job.unique_key}"
    return copy, ""
