"""What operators may do, as data: the name, the permission, and the function of the engine that does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobs import operations, schedule_verbs
from jobs.conf import get_settings
from jobs.lifecycle import operate, stopping
from jobs.models import Operation
from jobs.models.worker import LIVING, Request
from jobs.operations import BULK_VERBS


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that an operator does to selected objects."""

    name: str
    label: str
    done: str
    """The verb in the past: "3 jobs retried"."""
    permission: str
    explanation: str
    """What will happen, for the page that asks for confirmation."""
    refusal: Callable[[Any], str]
    """Says why an object would be skipped; empty if it would not. The engine decides again when it acts."""
    perform: Callable[..., operate.Report]
    """Takes ids, `actor` and `reason`. Raises: NotPermitted."""
    is_dangerous: bool = False
    in_bulk: str = ""
    """The name under which `operations` does it to many in the background; empty if it does not."""

    def allows(self, user: Any) -> bool:
        """Say whether the user has the permission."""
        return bool(user.has_perm(self.permission))


def _on_jobs(name: str, *, done: str, explanation: str, is_dangerous: bool = False) -> Verb:
    """Make a verb of what `operations` does to jobs, be they few or many."""
    verb = BULK_VERBS[name]
    return Verb(
        name=name, label=verb.label, done=done, permission=verb.permission, explanation=explanation,
        refusal=verb.refuse, perform=verb.perform, is_dangerous=is_dangerous, in_bulk=name,
    )  # fmt: skip


def _each_queue(
    change: Callable[..., bool], refusal: str, names: Sequence[Any], *, actor: Any, reason: str
) -> operate.Report:
    report = operate.Report()
    for name in names:
        if change(name, actor=actor, reason=reason):
            report.changed.append(name)
        else:
            report.skipped[name] = refusal
    return report


def _each_operation(
    change: Callable[..., Operation], keys: Sequence[int], *, actor: Any, reason: str
) -> operate.Report:
    report = operate.Report()
    for operation in Operation.objects.using(get_settings().database).filter(pk__in=keys):
        try:
            change(operation, actor=actor, reason=reason)
        except operations.NotStarted as error:
            report.skipped[operation.pk] = str(error)
        else:
            report.changed.append(operation.pk)
    return report


def _undo(operation: Operation, *, actor: Any, reason: str) -> Operation:
    return operations.finish_if_small(operations.undo(operation, actor=actor, reason=reason))


def _refused(why: str) -> str:
    return f"it {why}" if why else ""


def _not_stoppable(worker: Any, request: Request) -> str:
    if worker.state not in LIVING:
        return "it has ended"
    return "it was asked before" if worker.asked in {request, Request.STOP} else ""


RETRY = _on_jobs(
    "retry",
    done="retried",
    explanation="They run again with fresh attempts; their history is kept.",
)
CANCEL = _on_jobs(
    "cancel",
    done="cancelled",
    explanation="Waiting jobs are cancelled at once; running ones are asked to stop.",
    is_dangerous=True,
)
DISCARD = _on_jobs(
    "discard",
    done="discarded",
    explanation="They leave the dead letters and become cancelled. An undo or a retry brings them back.",
    is_dangerous=True,
)
RESTORE = _on_jobs(
    "restore",
    done="restored",
    explanation="What was discarded is a dead letter again; what was cancelled waits again.",
)
RUN_JOB_NOW = _on_jobs(
    "run_now",
    done="queued",
    explanation="They do not wait for their time.",
)
CLONE = _on_jobs(
    "clone",
    done="cloned",
    explanation="A new job with the same task and arguments is enqueued for each; they stay as they are.",
)
PAUSE = Verb(
    name="pause",
    label="Pause",
    done="paused",
    permission="jobs.pause_queue",
    explanation="No worker takes new jobs from them; running jobs go on.",
    refusal=lambda queue: "it is paused already" if queue.paused_at else "",
    perform=partial(_each_queue, operate.pause_queue, "it is paused already"),
)
RESUME = Verb(
    name="resume",
    label="Resume",
    done="resumed",
    permission="jobs.pause_queue",
    explanation="Workers take jobs from them again.",
    refusal=lambda queue: "" if queue.paused_at else "it is not paused",
    perform=partial(_each_queue, operate.resume_queue, "it is not paused"),
)
ENABLE = Verb(
    name="enable",
    label="Enable",
    done="enabled",
    permission="jobs.run_schedule",
    explanation="They fire again from their next time on.",
    refusal=lambda schedule: "it is enabled already" if schedule.is_enabled else "",
    perform=partial(schedule_verbs.set_enabled, True),
)
DISABLE = Verb(
    name="disable",
    label="Disable",
    done="disabled",
    permission="jobs.run_schedule",
    explanation="They do not fire until somebody enables them.",
    refusal=lambda schedule: "" if schedule.is_enabled else "it is disabled already",
    perform=partial(schedule_verbs.set_enabled, False),
)
DRAIN = Verb(
    name="drain",
    label="Drain",
    done="draining",
    permission="jobs.manage_worker",
    explanation="Their pools take no new job, finish what runs, however long that takes, and end.",
    refusal=lambda worker: _not_stoppable(worker, Request.DRAIN),
    perform=partial(stopping.ask, Request.DRAIN),
)
STOP = Verb(
    name="stop",
    label="Stop",
    done="stopping",
    permission="jobs.manage_worker",
    explanation="Their pools take no new job and end; what runs beyond the grace is interrupted and runs again.",
    refusal=lambda worker: _not_stoppable(worker, Request.STOP),
    perform=partial(stopping.ask, Request.STOP),
    is_dangerous=True,
)
STOP_OPERATION = Verb(
    name="stop",
    label="Stop",
    done="stopped",
    permission="jobs.view_operation",  # and that of the operation's own verb
    explanation="It ends behind the present batch. What it has changed stays changed.",
    refusal=lambda operation: _refused(operations.why_not_stopped(operation)),
    perform=partial(_each_operation, operations.stop),
    is_dangerous=True,
)
UNDO_OPERATION = Verb(
    name="undo",
    label="Undo",
    done="being undone",
    permission="jobs.retry_job",
    explanation="Each job that it changed, and that nobody has changed since, is again what it was.",
    refusal=lambda operation: _refused(operations.why_not_undone(operation)),
    perform=partial(_each_operation, _undo),
)
RUN_NOW = Verb(
    name="run_now",
    label="Run now",
    done="started",
    permission="jobs.run_schedule",
    explanation="One job of each is enqueued now; their times stay as they are.",
    refusal=lambda schedule: "",
    perform=schedule_verbs.run_now,
)
