"""QueueHub as a backend of Django's tasks: of django.tasks on 6.0, of django-tasks on 5.2."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from jobs import enqueueing
from jobs.definition import JobTask, registry
from jobs.errors import InvalidJob, UnknownTask
from jobs.models import Attempt, Job
from jobs.names import MAX_PRIORITY, MIN_PRIORITY, check_int, check_moment, check_queue
from jobs.objectives import check_objectives
from jobs.states import JobState
from jobs.upstream import BaseTaskBackend, TaskError, TaskResult, TaskResultDoesNotExist, TaskResultStatus

_STATUS = {
    JobState.SCHEDULED: TaskResultStatus.READY,
    JobState.BLOCKED: TaskResultStatus.READY,
    JobState.QUEUED: TaskResultStatus.READY,
    JobState.RETRYING: TaskResultStatus.READY,
    JobState.RUNNING: TaskResultStatus.RUNNING,
    JobState.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    JobState.DEAD: TaskResultStatus.FAILED,
    JobState.CANCELLED: TaskResultStatus.FAILED,
}


@dataclass(frozen=True, kw_only=True)
class JobResult(TaskResult):  # type: ignore[type-arg] # generic in django-tasks only
    """What is known of a job, in the terms of Django's tasks."""

    is_duplicate: bool = False
    """True if an unfinished job held the unique_key, and this is that job."""


class JobsBackend(BaseTaskBackend):
    """Keeps tasks as jobs in the ledger. Accepts every queue name of the right form."""

    task_class = JobTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, dict(params))
        if self.options:
            raise ImproperlyConfigured(f"TASKS[{alias!r}]: JobsBackend takes no OPTIONS; use the setting QUEUEHUB")
        self.queues: set[str] = set(params.get("QUEUES", ()))  # empty: any name

    def validate_task(self, task: JobTask) -> None:  # type: ignore[override] # task_class makes no others
        """Check a task when it is declared and at each `using()`.

        Raises: InvalidJob, or Django's InvalidTask for what its own tasks forbid.
        """
        check_queue("queue_name", task.queue_name)
        check_int("priority", task.priority, MIN_PRIORITY, MAX_PRIORITY)
        if task.run_after is not None:
            check_moment("run_after", task.run_after)
        if task.expires_at is not None:
            check_moment("expires_at", task.expires_at)
        if task.max_attempts is not None:
            check_int("max_attempts", task.max_attempts, 1, enqueueing.MAX_ATTEMPTS)
        if task.timeout_seconds is not None:
            check_int("timeout_seconds", task.timeout_seconds, 0, enqueueing.MAX_TIMEOUT_SECONDS)
        check_objectives(task)
        if task.atomic and iscoroutinefunction(task.func):
            raise InvalidJob("atomic", "an async task cannot run in a transaction.", "Make it a plain function.")
        super().validate_task(task)

    def enqueue(  # type: ignore[override] # task_class makes no others
        self, task: JobTask, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> JobResult:
        """Enqueue one job in the caller's transaction.

        Raises: InvalidJob and its subclasses; nothing is written then.
        """
        return self._result(task, enqueueing.enqueue(task, args, kwargs), ())

    def get_result(self, result_id: str) -> JobResult:
        """Return what the ledger knows of a job.

        Raises: TaskResultDoesNotExist if there is no such job, or its task is no longer registered.
        """
        try:
            job = Job.objects.get(id=UUID(str(result_id)))
            task = registry.get(job.task)
        except (Job.DoesNotExist, ValueError, UnknownTask, InvalidJob) as error:
            raise TaskResultDoesNotExist(str(result_id)) from error
        return self._result(task, job, job.attempts.order_by("number"))

    def _result(self, task: JobTask, job: Job, attempts: Sequence[Attempt] | Any) -> JobResult:
        history = list(attempts)
        started = [attempt.started_at for attempt in history]
        result = JobResult(
            task=task,
            id=str(job.id),
            status=_STATUS[JobState(job.state)],
            enqueued_at=job.created_at,
            started_at=started[0] if started else None,
            finished_at=job.finished_at,
            last_attempted_at=started[-1] if started else None,
            args=job.args,
            kwargs=job.kwargs,
            backend=self.alias,
            errors=list(_errors(history)),
            worker_ids=[attempt.worker for attempt in history],
            is_duplicate=job.is_duplicate,
        )
        object.__setattr__(result, "_return_value", job.result)
        return result


def _errors(attempts: Sequence[Attempt]) -> Iterator[TaskError]:
    for attempt in attempts:
        name = attempt.exception_class
        if name:
            path = name if "." in name else f"builtins.{name}"
            yield TaskError(exception_class_path=path, traceback=attempt.traceback)
