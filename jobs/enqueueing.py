"""The front door: every way to enqueue checks its jobs here and ends in `lifecycle.insert`.

After the commit the dispatcher sends the messages of the rows that were inserted as published.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models.base import ModelState
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from jobs import dispatcher, lifecycle, traces
from jobs.conf import Settings, get_settings
from jobs.definition import JobTask, check_payload, resolve
from jobs.errors import InvalidJob, shown
from jobs.models import Job
from jobs.models.fields import uuid7
from jobs.names import MAX_PRIORITY, MIN_PRIORITY, check_int, check_moment, check_name, check_queue, check_text
from jobs.states import JobState
from jobs.strict_json import dump, plain

MAX_TIMEOUT_SECONDS = 7 * 86400
MAX_ATTEMPTS = 1000
MAX_META_BYTES = 16 * 1024


def enqueue(task: JobTask | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Job:
    """Enqueue one job in the caller's transaction.

    Raises: InvalidJob and its subclasses; nothing is written then.
    """
    return _inserted(_alike(resolve(task), [(args, kwargs)]))[0]


def enqueue_many(task: JobTask | str, calls: Iterable[Sequence[Any] | Mapping[str, Any]]) -> list[Job]:
    """Enqueue one job per call, all or none. A call is a tuple or list of arguments or a dict of keyword arguments.

    Raises: InvalidJob and its subclasses; nothing is written then.
    """
    return _inserted(_alike(resolve(task), [_call(index, call) for index, call in enumerate(calls)]))


def insert(jobs: Sequence[Job]) -> list[Job]:
    """Check unsaved jobs and write them in one go, published as far as their queues' windows have room.

    Raises: InvalidJob and its subclasses; nothing is written then.
    """
    for job in jobs:
        _complete(job)
    return _inserted(jobs)


def _inserted(jobs: Sequence[Job]) -> list[Job]:
    if traces.tracer is None or not jobs:
        return _written(jobs)
    with traces.tracer.send(jobs):
        return _written(jobs)


def _written(jobs: Sequence[Job]) -> list[Job]:
    dispatcher.plan(jobs)
    return lifecycle.insert(jobs)


aenqueue = sync_to_async(enqueue)
aenqueue_many = sync_to_async(enqueue_many)
ainsert = sync_to_async(insert)


def _call(index: int, call: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if isinstance(call, Mapping):
        return [], call
    if isinstance(call, list | tuple):
        return call, {}
    raise InvalidJob(f"calls[{index}]", f"is of type {type(call).__name__}.", "Pass a tuple of arguments or a dict.")


def _made(task: JobTask) -> Job:
    job = Job(
        task=task.module_path,
        queue=task.queue_name,
        priority=task.priority,
        max_attempts=task.attempts_allowed,
        timeout_seconds=task.limit_seconds,
        unique_key=task.unique_key or None,
        expires_at=task.expires_at,
        tags=list(task.tags),
        meta=dict(task.meta or {}),
        correlation_id=task.correlation_id,
        subject=task.subject,
        tenant=task.tenant,
    )
    if task.run_after is not None:
        job.due_at = task.run_after
    return job


def _alike(task: JobTask, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[Job]:
    """Return checked jobs of one task, which differ in their arguments only."""
    model = _model(task)
    bind = resolve(model.task).bind
    jobs: list[Job] = []
    for args, kwargs in calls:
        args, kwargs = check_payload(args, kwargs if isinstance(kwargs, dict) else dict(kwargs))
        bind(args, kwargs)
        job = Job.__new__(Job)  # Job() would look at each of thirty columns again
        job.__dict__.update(model.__dict__, _state=ModelState(), id=uuid7(), args=args, kwargs=kwargs)
        job.tags, job.meta = list(model.tags), deepcopy(model.meta) if model.meta else {}
        jobs.append(job)
    return jobs


_models: dict[str, tuple[JobTask, Settings, Job]] = {}


def _model(task: JobTask) -> Job:
    """Return a job of a task whose columns but the arguments are checked; it is copied, and never inserted itself.

    That of a task as it was declared is kept; a `using()` copy is mostly used once.
    """
    settings, name = get_settings(), task.module_path
    kept = _models.get(name)
    if kept and kept[0] is task and kept[1] is settings:
        return kept[2]
    job = _made(task)
    _complete_columns(job)
    if resolve(name) is task and task.expires_at is None:  # a time to be compared with the present each time
        _models[name] = task, settings, job
    return job


# What a caller may not set: these columns belong to the life that begins now.
_OWN = {
    "attempt": 0, "failure_count": 0, "loss_count": 0, "published_at": None, "publish_seq": 0, "claimed_at": None,
    "claim": None, "worker": "", "finished_at": None, "cancel_requested_at": None, "progress": None, "result": None,
    "reason": "", "payload_format": "json", "fingerprint": None,
}  # fmt: skip


_TEXTS = {"correlation_id": 128, "tenant": 128, "subject": 255, "enqueued_by": 128, "trace": 255}


def _complete(job: Job) -> None:
    if not job._state.adding:
        raise InvalidJob("id", f"job {job.id} is in the ledger already.", "Enqueue a new one.")
    job.id = _uuid(job.id)
    task = _complete_columns(job)
    job.args, job.kwargs = check_payload(job.args, job.kwargs)
    task.bind(job.args, job.kwargs)


def _complete_columns(job: Job) -> JobTask:
    """Check and fill in all columns but the arguments, and return the job's task."""
    if not _given(job.due_at):
        job.due_at = Job._meta.get_field("due_at").get_default()
    task = resolve(job.task)
    job.task = task.module_path
    _check_columns(job)
    if job.max_attempts is None:
        job.max_attempts = task.attempts_allowed
    if job.timeout_seconds is None:
        job.timeout_seconds = task.limit_seconds
    # a time that the caller gave is compared by the database's clock only: the scheduler moves the job on
    job.state = JobState.SCHEDULED if _given(job.due_at) else JobState.QUEUED
    return task


def _uuid(value: Any) -> UUID:
    if value is None or isinstance(value, UUID):
        return value or uuid7()
    try:
        return UUID(str(value))
    except ValueError:
        raise InvalidJob("id", f"{shown(value)} is not a UUID.", "Leave id out to get a fresh one.") from None


def _given(moment: Any) -> bool:
    return moment is not None and not isinstance(moment, DatabaseDefault)


def _check_columns(job: Job) -> None:
    for name, value in _OWN.items():
        if getattr(job, name) != value:
            raise InvalidJob(name, "cannot be set on a new job.", "Leave it out.")
    if job.state not in (JobState.QUEUED, JobState.SCHEDULED):  # a tuple: it may be unhashable
        raise InvalidJob("state", "cannot be set on a new job.", "Leave it out; due_at delays the run.")
    check_queue("queue", job.queue)
    check_int("priority", job.priority, MIN_PRIORITY, MAX_PRIORITY)
    if job.max_attempts is not None:
        check_int("max_attempts", job.max_attempts, 1, MAX_ATTEMPTS)
    if job.timeout_seconds is not None:
        check_int("timeout_seconds", job.timeout_seconds, 0, MAX_TIMEOUT_SECONDS)
    for name in ("due_at", "expires_at"):
        value = getattr(job, name)
        if _given(value):
            check_moment("run_after" if name == "due_at" else name, value)
    if job.expires_at is not None and job.expires_at <= timezone.now():
        raise InvalidJob("expires_at", "lies in the past.", "Pass a time to come.")
    if job.unique_key is not None:
        check_text("unique_key", job.unique_key, 255)
    for name, limit in _TEXTS.items():
        check_text(name, getattr(job, name), limit)
    _make_exact(job)
    _check_notes(job)


def _make_exact(job: Job) -> None:
    """Turn members of enumerations and the like into what they hold, which is what was checked."""
    for name in ("queue", "unique_key", *_TEXTS):
        value = getattr(job, name)
        if value is not None and type(value) is not str:
            setattr(job, name, str.__str__(value))
    for name in ("priority", "max_attempts", "timeout_seconds"):
        value = getattr(job, name)
        if value is not None and type(value) is not int:
            setattr(job, name, int.__pos__(value))


def _check_notes(job: Job) -> None:
    if job.tags == [] and job.meta == {}:
        return
    if not isinstance(job.tags, list | tuple) or not isinstance(job.meta, dict):
        raise InvalidJob("tags" if not isinstance(job.tags, list | tuple) else "meta", "has the wrong type.",
                         "tags is a list of names, meta a dict.")  # fmt: skip
    job.tags, job.meta = plain("tags", job.tags, MAX_META_BYTES), plain("meta", job.meta, MAX_META_BYTES)
    for tag in job.tags:
        check_name("tags", tag)
    dump("meta", job.meta, MAX_META_BYTES)
