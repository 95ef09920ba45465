"""Every verb with what it needs, what it is tried on, and the ways that lead to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from jobs import operations, schedule_verbs
from jobs.lifecycle import operate, stopping
from jobs.models import Queue, Schedule
from jobs.models.worker import Request
from tests.factories import fresh, make_job, make_worker
from tests.permissions.ways import (
    Target,
    Way,
    action,
    admin_edit,
    bulk,
    button,
    command,
    edit_form,
    engine,
    form,
)

LATER = "2090-01-01 00:00"
_numbers = count()


@dataclass(frozen=True)
class Case:
    """One verb; `ways` by the name of a column of docs/permissions.md."""

    name: str
    permissions: tuple[str, ...]
    make: Callable[[], Target]
    ways: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)


def _job(state: str) -> Callable[[], Target]:
    def make() -> Target:
        job = make_job(state, args=[1])
        return Target(job, f"job {job.pk}")

    return make


def _queue(is_paused: bool) -> Callable[[], Target]:
    def make() -> Target:
        name = f"queue-{next(_numbers)}"
        Queue.objects.create(name=name)
        if is_paused:
            operate.pause_queue(name, actor="test")
        return Target(Queue.objects.get(name=name), f"queue {name}")

    return make


def _schedule(is_enabled: bool = True) -> Callable[[], Target]:
    def make() -> Target:
        name = f"schedule-{next(_numbers)}"
        columns = {"task": "tests.engine.tasks.add", "args": [1], "every_seconds": 60, "is_enabled": is_enabled}
        return Target(Schedule.objects.create(name=name, **columns), f"schedule {name}")

    return make


def _worker() -> Target:
    worker = make_worker(f"worker-{next(_numbers)}")
    type(worker).objects.filter(pk=worker.pk).update(pool=worker.pk)
    worker.refresh_from_db()
    return Target(worker, f"pool {worker.pool}")


def _operation(is_started: bool, is_over: bool = False) -> Callable[[], Target]:
    def make() -> Target:
        job = make_job("dead", args=[1])
        operation = operations.preview("discard", actor="test", ids=[job.pk])
        if is_started:
            operation = operations.start(operation, actor="test")
        if is_over:
            operations.finish_now(operation)
            return Target(operation, f"job {job.pk}")
        return Target(operation, f"operation {operation.pk}")

    return make


def _on_job(verb: str, perform: Any, address: str = "", *, admin: bool = True, **fields: Any) -> dict[str, Any]:
    ways: dict[str, Any] = {
        "code": (engine(lambda user, job: perform([job.pk], actor=user)),),
        "dashboard": (form("job_verb", address or verb, **fields),),
        "bulk": (bulk(verb, **fields),),
    }
    if admin:
        ways["admin"] = (button("job", verb), action("job", verb))
    return ways


def _on_schedule(verb: str, address: str, perform: Any) -> dict[str, Any]:
    return {
        "code": (engine(lambda user, schedule: perform([schedule.pk], actor=user)),),
        "dashboard": (form("schedule_verb", address),),
        "admin": (button("schedule", verb), action("schedule", verb)),
    }


def _on_queue(verb: str, perform: Any) -> dict[str, Any]:
    return {
        "code": (engine(lambda user, queue: perform(queue.pk, actor=user)),),
        "dashboard": (form("queue_verb", verb),),
        "admin": (button("queue", verb), action("queue", verb)),
        "command": (command(f"jobs_{verb}"),),
    }


def _on_worker(request: Request) -> dict[str, Any]:
    return {
        "code": (engine(lambda user, worker: stopping.ask(request, [worker.pk], actor=user)),),
        "dashboard": (form("worker_verb", request.value),),
        "admin": (button("worker", request.value), action("worker", request.value)),
    }


def _edited(user: Any, job: Any) -> Any:
    return operate.revive([job.pk], actor=user, args=[2], version=operate.version_of(fresh(job)))


def _moved(jobs: Any, *, actor: Any) -> Any:
    return operate.move(jobs, queue="other", actor=actor)


_SCHEDULE_FORM = {"every_seconds": "90", "timezone": "UTC", "misfire": "skip", "args": "[1]", "kwargs": "{}"}

CASES = (
    Case("retry", ("retry_job",), _job("dead"),
         {**_on_job("retry", operate.revive), "command": (command("jobs_retry"),)}),
    Case("retry at a time", ("retry_job",), _job("dead"),
         {**_on_job("retry", operate.revive, admin=False, run_after=LATER),
          "command": (command("jobs_retry", "--in", "10m"),)}),
    Case("edit and retry", ("edit_job", "retry_job", "view_payload"), _job("dead"),
         {"code": (engine(_edited),), "dashboard": (edit_form("job_edit", args="[2]", kwargs="{}"),),
          "admin": (admin_edit(args="[2]", kwargs="{}"),)}),
    Case("run now", ("retry_job",), _job("scheduled"), _on_job("run_now", operate.run_now)),
    Case("cancel, stop", ("cancel_job",), _job("queued"),
         {**_on_job("cancel", operate.cancel), "command": (command("jobs_cancel"),)}),
    Case("discard", ("discard_job",), _job("dead"),
         {**_on_job("discard", operate.discard), "command": (command("jobs_discard"),)}),
    Case("undo a discard or a cancellation", ("retry_job",), _job("cancelled"),
         _on_job("restore", operate.restore, "undo")),
    Case("move to a queue", ("edit_job",), _job("queued"), _on_job("move", _moved, admin=False, queue="other")),
    Case("clone", ("edit_job",), _job("dead"), _on_job("clone", operate.clone)),
    Case("empty a queue", ("discard_job",), _job("queued"),
         {"code": (engine(lambda user, job: operate.empty([job.pk], actor=user)),), "bulk": (bulk("empty"),)}),
    Case("start a bulk operation", ("discard_job",), _operation(is_started=False),
         {"code": (engine(lambda user, it: operations.start(it, actor=user)),),
          "dashboard": (form("operation_act", "start"),)}),
    Case("stop a bulk operation", ("discard_job",), _operation(is_started=True),
         {"code": (engine(lambda user, it: operations.stop(it, actor=user)),),
          "dashboard": (form("operation_act", "stop"),), "admin": (button("operation", "stop"),)}),
    Case("undo a bulk operation", ("retry_job",), _operation(is_started=True, is_over=True),
         {"code": (engine(lambda user, it: operations.finish_now(operations.undo(it, actor=user))),),
          "dashboard": (form("operation_act", "undo"),), "admin": (button("operation", "undo"),)}),
    Case("pause a queue", ("pause_queue",), _queue(is_paused=False), _on_queue("pause", operate.pause_queue)),
    Case("resume a queue", ("pause_queue",), _queue(is_paused=True), _on_queue("resume", operate.resume_queue)),
    Case("run a schedule now", ("run_schedule",), _schedule(), _on_schedule("run_now", "run", schedule_verbs.run_now)),
    Case("disable a schedule", ("run_schedule",), _schedule(),
         _on_schedule("disable", "pause", lambda ids, actor: schedule_verbs.set_enabled(False, ids, actor=actor))),
    Case("enable a schedule", ("run_schedule",), _schedule(is_enabled=False),
         _on_schedule("enable", "resume", lambda ids, actor: schedule_verbs.set_enabled(True, ids, actor=actor))),
    Case("edit a schedule", ("run_schedule",), _schedule(),
         {"code": (engine(lambda user, it: schedule_verbs.edit(it.pk, {"every_seconds": 90}, actor=user)),),
          "dashboard": (edit_form("schedule_edit", **_SCHEDULE_FORM),)}),
    Case("drain a pool of workers", ("manage_worker",), _worker, _on_worker(Request.DRAIN)),
    Case("stop a pool of workers", ("manage_worker",), _worker, _on_worker(Request.STOP)),
)  # fmt: skip
