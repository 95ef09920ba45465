"""Jobs of a task that this worker does not know: another release may, so they wait for it, for a while."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from jobs import lifecycle
from jobs.models import Attempt, Job
from tests.engine.runs import execute
from tests.engine.test_settle import make_queued
from tests.factories import claim, fresh, make_job

pytestmark = pytest.mark.django_db

NEWER = "shop.tasks.of_the_next_release"


def make_unknown() -> Job:
    """Return a queued job that another release has enqueued."""
    job = make_job()
    Job.objects.filter(id=job.id).update(task=NEWER)
    return fresh(job)


def run(job: Job) -> Job:
    lifecycle.settle([execute(claim(job))])
    return fresh(job)


def test_a_job_of_an_unknown_task_is_tried_again_and_not_counted() -> None:
    job = run(make_unknown())
    assert (job.state, job.failure_count, job.attempt) == ("retrying", 0, 1)
    assert NEWER in job.reason
    assert Attempt.objects.get(job=job).outcome == "snoozed"


def test_once_nobody_has_known_its_task_for_ten_minutes_it_is_dead() -> None:
    job = run(make_unknown())
    for minutes, state in ((9, "retrying"), (2, "dead")):
        Attempt.objects.filter(job=job).update(
            started_at=F("started_at") - timedelta(minutes=minutes),
            finished_at=F("finished_at") - timedelta(minutes=minutes),
        )
        make_queued(job)
        job = run(job)
        assert job.state == state
    assert job.reason.startswith("permanent error")


def test_the_patience_begins_again_once_a_worker_has_known_the_task() -> None:
    job = run(make_unknown())
    Attempt.objects.filter(job=job).update(started_at=F("started_at") - timedelta(hours=1))
    Attempt.objects.create(
        job=job, number=2, outcome="error", claim=1, worker="w", queue=job.queue,
        started_at=job.created_at, finished_at=job.created_at, exception_class="ValueError",
    )  # fmt: skip
    Job.objects.filter(id=job.id).update(attempt=2)
    make_queued(job)
    assert run(job).state == "retrying"


def test_without_patience_it_is_dead_at_once(settings: Any) -> None:
    settings.QUEUEHUB = {"UNKNOWN_TASK_SECONDS": 0}
    assert run(make_unknown()).state == "dead"
