"""How a verb changes jobs: batch by batch, each all or nothing, with a reason for every job that it leaves alone.

The row is locked, looked at, changed, counted and written to the audit log in one transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from jobs import events
from jobs.conf import get_settings
from jobs.failpoints import reach
from jobs.lifecycle.authority import Actor, actor_name, counts_of, entry, write
from jobs.lifecycle.conflicts import again_on_conflict
from jobs.lifecycle.counting import count_each
from jobs.models import AuditEntry, Job
from jobs.statements import ledger_transaction
from jobs.states import UNFINISHED, JobState

BATCH = 500
_TOLD = ("state", "args", "kwargs", "failure_count", "queue", "due_at")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """What is done to each job of a batch."""

    action: str
    """The name in the audit log."""
    refuse: Callable[[Job], str]
    """Says why the job is left alone; empty if it is not."""
    change: Callable[[Job], dict[str, Any]]
    """Returns the new values of columns."""
    look: Callable[[Sequence[Job]], None] = lambda jobs: None
    """Reads, once for the batch, what the other two need to know of its jobs."""
    counted: Callable[[Job], str] = lambda job: ""
    """Names what the statistics count of a changed job; empty for nothing."""
    also_counted: Callable[[Job], Iterable[tuple[str, str]]] = lambda job: ()
    """Names what they count besides, each with its queue."""
    kept: tuple[str, ...] = ()
    """Further columns whose old values the audit log keeps, so that the change can be undone."""


def each(verb: Verb, jobs: "QuerySet[Job] | Iterable[UUID]", actor: Actor, reason: str) -> Report:
    """Change all jobs that the verb does not refuse."""
    report = Report()
    for ids in batches(jobs):
        done = again_on_conflict(partial(_change_batch, verb, ids, actor, reason))
        reach("operate.committed")
        report = Report(report.changed + done.changed, report.skipped | done.skipped)
    return report


def batches(jobs: "QuerySet[Job] | Iterable[UUID]") -> Iterable[list[UUID]]:
    """Yield the ids of jobs by the batch; one that is named twice comes once."""
    ids = list(jobs.values_list("id", flat=True)) if isinstance(jobs, QuerySet) else [UUID(str(job)) for job in jobs]
    ids = list(dict.fromkeys(ids))
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def rows() -> "QuerySet[Job]":
    """Return all jobs of the ledger."""
    return Job.objects.using(get_settings().database)


def why_key_is_held(job: Job) -> str:
    """Say which other unfinished job keeps this one from becoming unfinished; empty if none does."""
    if not job.unique_key:
        return ""
    others = rows().filter(unique_key=job.unique_key, state__in=sorted(UNFINISHED)).exclude(id=job.id)
    return f"another unfinished job holds the unique key {job.unique_key}" if others.exists() else ""


def _change_batch(verb: Verb, ids: Sequence[UUID], actor: Actor, reason: str) -> Report:
    report = Report()
    with ledger_transaction():
        # locked in the order of ids, as every batch statement does
        found = {job.id: job for job in rows().select_for_update().filter(id__in=ids).order_by("id")}
        verb.look(list(found.values()))
        entries: list[AuditEntry] = []
        alike: dict[tuple[str, str], tuple[dict[str, Any], list[Job]]] = {}
        for job_id in ids:
            job = found.get(job_id)
            why = verb.refuse(job) if job else "there is no such job"
            if why or job is None:
                report.skipped[job_id] = why
                continue
            values = verb.change(job)
            if job.unique_key:  # at once: the next job may have the same key
                _update(job.state, values, [job])
            else:
                alike.setdefault((job.state, repr(sorted(values.items()))), (values, []))[1].append(job)
            entries.append(_entry(verb, job, values, actor, reason))
            report.changed.append(job_id)
        for (state, _), (values, jobs) in alike.items():
            _update(state, values, jobs)
        write(entries)
        reach("operate.written")
        changed = [found[UUID(str(job_id))] for job_id in report.changed]
        count_each([*counts_of(entries), *_counts(verb, changed)])
        _announce(verb, changed, actor)
    return report


def _update(state: str, values: Mapping[str, Any], jobs: Sequence[Job]) -> None:
    rows().filter(id__in=[job.id for job in jobs], state=state).update(**values)


def _counts(verb: Verb, jobs: Sequence[Job]) -> Iterator[tuple[str, str, str]]:
    for job in jobs:
        if name := verb.counted(job):
            yield name, job.queue, job.task
        for other, queue in verb.also_counted(job):
            yield other, queue, job.task


def _announce(verb: Verb, jobs: Sequence[Job], actor: Actor) -> None:
    if not jobs:
        return
    cancelled = [job for job in jobs if verb.counted(job) == "state_cancelled"]
    if cancelled:
        state = JobState.CANCELLED.value
        changes = (events.Change(job.id, job.task, job.queue, state, "", job.attempt) for job in cancelled)
        events.emit_on_commit(events.JobsCancelled("", tuple(changes)))
    events.emit_on_commit(events.JobsOperated(verb.action, actor_name(actor), tuple(job.id for job in jobs)))


def _entry(verb: Verb, job: Job, values: Mapping[str, Any], actor: Actor, reason: str) -> AuditEntry:
    told = [name for name in _TOLD if name in values and _is_plain(values[name])]
    before = {name: _plain(getattr(job, name)) for name in (*told, *verb.kept)}
    after = {name: _plain(values[name]) for name in told}
    if "cancel_requested_at" in values and not after:
        before, after = {"state": job.state}, {"state": job.state, "cancel_requested": True}
    return entry(actor, verb.action, f"job {job.id}", reason, before, after)


def _is_plain(value: Any) -> bool:
    return not hasattr(value, "resolve_expression")  # Now() is known to the database only


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, JobState) else value
