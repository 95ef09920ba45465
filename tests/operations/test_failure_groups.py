"""Failures are gathered into groups: each counted once, for the windows that a page shows."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import failures, lifecycle
from jobs.lifecycle import operate
from jobs.models import Attempt, Failure, FailureGroup, Job
from jobs.states import Outcome
from tests.engine.runs import finished
from tests.factories import claim, ended, fresh, make_job
from tests.operations import tasks

pytestmark = [pytest.mark.fast, pytest.mark.django_db]


def fail(message: str = "no luck 1", task: str = "tests.engine.tasks.add") -> Job:
    job = make_job(max_attempts=1, task=task)
    lifecycle.settle([ended(claim(job), Outcome.ERROR, exception_class="shop.Error", message=message)])
    return fresh(job)


def test_each_failure_is_counted_once_in_its_group() -> None:
    for number in range(5):
        fail(f"no luck {number}")
    fail("bad luck")
    while failures.fold(limit=2):
        pass
    assert not Failure.objects.exists()
    row, other = sorted(failures.latest(), key=lambda row: -row.group.count)
    assert (row.group.exception_class, row.group.message, row.group.count) == ("shop.Error", "no luck <n>", 5)
    assert (row.hour_count, row.day_count, row.week_count, row.hours[-1], row.dead_count) == (5, 5, 5, 5, 5)
    assert (row.group.sample, row.group.last_job_id) == ("no luck 4", Job.objects.order_by("-id")[1].id)
    assert row.group.tasks == [row.group.frame] == ["tests.engine.tasks.add"]
    assert (other.group.count, other.dead_count) == (1, 1)


def test_a_group_knows_its_tasks_and_when_it_was_seen() -> None:
    first = finished(tasks.chatter, fails=True)
    failures.fold()
    second = finished(tasks.chatter, fails=True)
    failures.fold()
    (group,) = FailureGroup.objects.all()
    assert group.first_seen_at == first.attempts.get().finished_at
    assert group.last_seen_at == second.attempts.get().finished_at
    assert (group.last_job_id, group.count) == (second.id, 2)
    assert (group.frame, group.tasks) == ("tests/operations/tasks.py: chatter", [first.task])


def test_the_windows_forget_what_is_past() -> None:
    fail()
    for ago in (timedelta(minutes=90), timedelta(hours=30), timedelta(days=8)):
        job = fail()
        Failure.objects.filter(job_id=job.id).update(failed_at=timezone.now() - ago)
    failures.fold()
    (row,) = failures.latest()
    assert (row.hour_count, row.day_count, row.week_count, row.group.count) == (1, 2, 3, 4)
    assert len(row.hours) == 24
    assert row.group.first_seen_at < timezone.now() - timedelta(days=7)
    assert len(row.group.minutes) == 1
    assert len(row.group.hours) == 3


def test_only_jobs_that_are_dead_now_count_as_dead() -> None:
    jobs = [fail() for _ in range(3)]
    failures.fold()
    operate.revive([jobs[0].id], actor="test")
    assert failures.latest()[0].dead_count == 2


def test_a_page_of_groups_takes_two_queries_and_goes_on_behind_the_last() -> None:
    for message in ("one luck", "two lucks", "three lucks"):
        fail(message)
        failures.fold()
    with CaptureQueriesContext(connection) as queries:
        page = failures.latest(2)
    assert len(queries) == 2
    assert [row.group.message for row in page] == ["three lucks", "two lucks"]
    assert [row.group.message for row in failures.latest(2, before=page[-1].group.last_seen_at)] == ["one luck"]
    assert failures.latest(2, before=timezone.now() - timedelta(days=1)) == []


def test_dead_letters_without_a_name_get_one_that_their_attempts_would_have_got(configure: Any) -> None:
    job, lost = finished(tasks.chatter, fails=True), make_job("dead")
    name = job.fingerprint
    Failure.objects.all().delete()
    Job.objects.all().update(fingerprint=None)
    Attempt.objects.all().update(fingerprint=None)
    Attempt.objects.filter(job=lost).delete()
    Job.objects.filter(id=lost.id).update(reason="it was so")
    assert (failures.name_unnamed(), failures.name_unnamed()) == (2, 0)
    assert (fresh(job).fingerprint, job.attempts.get().fingerprint) == (name, name)
    failures.fold()
    assert FailureGroup.objects.get(pk=fresh(lost).fingerprint).message == "it was so"
    assert FailureGroup.objects.count() == 2


def test_groups_that_nobody_needs_any_more_are_deleted() -> None:
    gone, kept, young = fail("gone"), fail("kept"), fail("young")
    failures.fold()
    operate.discard([gone.id], actor="test")
    for job in (gone, kept):
        FailureGroup.objects.filter(pk=job.fingerprint).update(last_seen_at=timezone.now() - timedelta(days=31))
    assert failures.delete_old() == 1
    assert set(FailureGroup.objects.values_list("pk", flat=True)) == {kept.fingerprint, young.fingerprint}
