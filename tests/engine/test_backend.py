"""QueueHub as a backend of Django's tasks: results, status and errors in Django's terms."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from jobs import lifecycle
from jobs.definition import registry
from jobs.errors import InvalidJob
from jobs.integrations.tasks_backend import JobResult, JobsBackend
from jobs.lifecycle import operate
from jobs.models import Job
from jobs.states import JobState, Outcome
from jobs.upstream import TaskResultDoesNotExist, TaskResultStatus, task_backends
from tests.engine import tasks
from tests.engine.runs import finished
from tests.factories import claim, ended, make_job

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

STATUS = {
    "scheduled": "READY", "blocked": "READY", "queued": "READY", "retrying": "READY", "running": "RUNNING",
    "succeeded": "SUCCESSFUL", "dead": "FAILED", "cancelled": "FAILED",
}  # fmt: skip


def result_of(job: Job) -> JobResult:
    result = registry.get(job.task).get_result(str(job.id))
    assert isinstance(result, JobResult)
    return result


@pytest.mark.parametrize("state", sorted(JobState))
def test_each_state_has_a_status(state: str) -> None:
    assert result_of(make_job(state)).status == TaskResultStatus[STATUS[state]]


def test_an_enqueued_task_is_ready() -> None:
    result = tasks.add.enqueue(1, b=2)
    job = Job.objects.get()
    assert (result.id, result.status, result.args, result.kwargs) == (str(job.id), "READY", [1], {"b": 2})
    assert (result.enqueued_at, result.started_at, result.finished_at) == (job.created_at, None, None)
    assert (result.is_duplicate, result.attempts, result.errors, result.task) == (False, 0, [], tasks.add)


def test_a_result_tells_the_value_and_the_run() -> None:
    result = result_of(finished(tasks.add, 1, b=2))
    assert (result.return_value, result.is_finished, result.worker_ids) == (3, True, ["worker-1"])
    assert result.started_at is not None
    assert result.finished_at is not None
    # SQLite's clock tells milliseconds
    assert result.enqueued_at <= result.started_at <= result.finished_at + timedelta(milliseconds=1)
    assert (result.attempts, result.errors) == (1, [])


def test_a_value_of_a_job_that_has_not_succeeded_is_refused() -> None:
    with pytest.raises(ValueError, match="not finished"):
        _ = result_of(make_job()).return_value
    with pytest.raises(ValueError, match="failed"):
        _ = result_of(make_job("dead")).return_value


def test_errors_are_those_of_all_attempts() -> None:
    job = finished(tasks.fail.using(max_attempts=1), "first")
    operate.revive([job.id], actor="test")
    lifecycle.settle([ended(claim(job), Outcome.LOST)])
    result = result_of(job)
    (error,) = result.errors
    assert (error.exception_class, error.exception_class_path) == (ValueError, "builtins.ValueError")
    assert error.traceback.endswith("ValueError: first\n")


def test_an_error_whose_class_is_not_importable_does_no_harm() -> None:
    job = make_job()
    lifecycle.settle([ended(claim(job), Outcome.ERROR, exception_class="gone.module.SomeError", traceback="t")])
    (error,) = result_of(job).errors
    assert (error.exception_class_path, error.traceback) == ("gone.module.SomeError", "t")


def test_a_result_can_be_refreshed() -> None:
    result = tasks.add.enqueue(1)
    lifecycle.settle([ended(claim(Job.objects.get()), result_text="1")])
    result.refresh()
    assert (result.status, result.return_value) == ("SUCCESSFUL", 1)


@pytest.mark.parametrize("job_id", ["0190a3c4-7b1e-7d2a-9c00-000000000000", "not-an-id", "", 5])
def test_an_unknown_id_is_said_to_be_unknown(job_id: Any) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(job_id)


def test_a_job_whose_task_is_gone_has_no_result() -> None:
    job = make_job()
    Job.objects.update(task="shop.tasks.removed")
    with pytest.raises(TaskResultDoesNotExist):
        task_backends["default"].get_result(str(job.id))


def test_a_result_is_asked_for_asynchronously() -> None:
    job = make_job("succeeded")

    @async_to_sync
    async def ask() -> Any:
        return await tasks.add.aget_result(str(job.id))

    assert ask().status == "SUCCESSFUL"


def test_a_result_of_another_task_is_refused() -> None:
    with pytest.raises(TaskResultDoesNotExist.__mro__[1], match="does not match"):
        tasks.fail.get_result(str(make_job().id))


def test_a_task_s_run_after_delays_it() -> None:
    later = timezone.now() + timedelta(minutes=5)
    tasks.add.using(run_after=later).enqueue()
    job = Job.objects.get()
    assert (job.state, job.due_at) == ("scheduled", later)


def test_a_run_after_without_time_zone_is_refused() -> None:
    with pytest.raises(InvalidJob, match="run_after: has no time zone"):
        tasks.add.using(run_after=datetime(2030, 1, 1))  # noqa: DTZ001
    assert not Job.objects.exists()


def test_a_duplicate_is_told() -> None:
    first = tasks.add.using(unique_key="k").enqueue(1)
    second = tasks.add.using(unique_key="k").enqueue(2)
    assert (first.is_duplicate, second.is_duplicate, second.id, second.args) == (False, True, first.id, [1])


def test_the_backend_says_what_it_can() -> None:
    backend = task_backends["default"]
    assert isinstance(backend, JobsBackend)
    assert backend.supports_defer
    assert backend.supports_async_task
    assert backend.supports_get_result
    assert backend.supports_priority


def test_the_backend_takes_no_options_of_its_own() -> None:
    with pytest.raises(ImproperlyConfigured, match="QUEUEHUB"):
        JobsBackend("default", {"OPTIONS": {"x": 1}})


def test_listed_queues_bound_the_names() -> None:
    backend = JobsBackend("default", {"QUEUES": ["a"]})
    assert backend.queues == {"a"}
    assert task_backends["default"].queues == set()
