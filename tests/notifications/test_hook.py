"""Programs hear of dead letters and retries by a signal, after the commit, in batches."""

import logging
from threading import Event
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import failures, lifecycle
from jobs.models import FailureGroup, Job
from jobs.notifications import FailedJob, gathering, hook, jobs_failed
from jobs.notifications.hook import Teller, teller
from jobs.states import JobState, Outcome
from jobs.tracebacks import message_of
from tests.factories import claim, ended, fresh, make_job
from tests.notifications.failing import fail
from tests.support import eventually

pytestmark = pytest.mark.django_db(transaction=True)

Batches = list[tuple[FailedJob, ...]]


def gathered() -> None:
    gathering.gather()
    teller.finish()


def test_a_dead_letter_and_a_retry_are_told_in_one_batch_with_all_that_is_known(heard: Batches) -> None:
    dead = fail("no luck 1", tags=["shop", "vip"], queue="mail")
    alive = fail("no luck 2", attempts=3)
    gathered()
    ((first, second),) = heard
    attempt = dead.attempts.get()
    assert first == FailedJob(
        job_id=dead.id, task=dead.task, queue="mail", attempt=1, is_dead=True, tags=("shop", "vip"),
        fingerprint=str(dead.fingerprint), exception_class="shop.Error", message="no luck 1", frame=dead.task,
        traceback="Traceback …", failed_at=attempt.finished_at,
    )  # fmt: skip
    assert (second.job_id, second.is_dead, second.fingerprint) == (alive.id, False, first.fingerprint)
    assert FailureGroup.objects.get().count == 2
    gathered()
    assert len(heard) == 1


def test_each_failure_of_a_job_is_told_and_only_the_last_as_its_death(heard: Batches) -> None:
    job = fail("no luck 1", attempts=2)
    Job.objects.filter(id=job.id).update(state=JobState.QUEUED)
    values = {"exception_class": "shop.Error", "message": "no luck 2"}
    lifecycle.settle([ended(claim(fresh(job)), Outcome.ERROR, **values)])
    gathered()
    assert [(one.attempt, one.is_dead) for batch in heard for one in batch] == [(1, False), (2, True)]


def test_a_dead_letter_that_never_ran_is_told(heard: Batches) -> None:
    job = make_job()
    Job.objects.filter(id=job.id).update(
        state=JobState.DEAD, reason="its task cannot be resolved", finished_at=job.created_at, published_at=None
    )
    failures.name_unnamed()
    gathered()
    ((one,),) = heard
    assert (one.job_id, one.is_dead, one.attempt, one.queue) == (job.id, True, 0, "default")
    assert one.message == "its task cannot be resolved"


def test_secrets_are_masked_where_a_receiver_sees_them(heard: Batches) -> None:
    job = make_job(max_attempts=1)
    Job.objects.filter(id=job.id).update(tags=["token=abcdefgh", 7])
    message = message_of(ValueError("password=hunter22 is wrong"))
    lifecycle.settle([ended(claim(job), Outcome.ERROR, message=message)])
    gathered()
    ((one,),) = heard
    assert one.tags == ("token=***", "7")
    assert one.message == "password=*** is wrong"


def test_a_receiver_that_raises_harms_neither_the_job_nor_the_next_receiver(heard: Batches, caplog: Any) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("receiver is broken")

    jobs_failed.connect(broken)
    try:
        with caplog.at_level(logging.ERROR):
            job = fail()
            gathered()
    finally:
        jobs_failed.disconnect(broken)
    assert fresh(job).state == JobState.DEAD
    assert FailureGroup.objects.get().count == 1
    assert len(heard) == 1
    assert "receiver is broken" in caplog.text


def test_a_receiver_that_hangs_holds_nothing_up_and_is_told_of_what_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    go, told = Event(), []

    def slow(failures: tuple[FailedJob, ...], **_: Any) -> None:
        go.wait(20)
        told.append(len(failures))

    monkeypatch.setattr(hook, "MOST_WAITING", 3)
    jobs_failed.connect(slow)
    try:
        for number in range(5):
            fail(f"no luck {number}")
            assert gathering.gather() == 1
        assert told == []
    finally:
        go.set()
        teller.finish(10)
        jobs_failed.disconnect(slow)
    assert told == [1, 1, 1]
    assert "2 failures were dropped" in caplog.text
    assert FailureGroup.objects.get().count == 5


def test_a_receiver_that_ends_its_thread_is_logged_and_the_next_batch_is_told(caplog: Any) -> None:
    told = []

    def leave(failures: tuple[FailedJob, ...], **_: Any) -> None:
        told.append(failures)
        raise SystemExit(1)

    jobs_failed.connect(leave)
    try:
        for _ in range(2):
            fail()
            gathered()
    finally:
        jobs_failed.disconnect(leave)
    assert len(told) == 2
    assert "a receiver of jobs_failed failed" in caplog.text


def test_without_receivers_and_notifications_gathering_asks_for_no_job() -> None:
    fail()
    with CaptureQueriesContext(connection) as queries:
        assert gathering.gather() == 1
    text = " ".join(query["sql"] for query in queries)
    assert "jobs_failuregroup" in text
    assert "jobs_job" not in text
    assert "jobs_attempt" not in text
    assert "jobs_notice" not in text


def test_a_batch_that_is_rolled_back_is_not_told(heard: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    fail()

    def refuse(*_: Any) -> int:
        raise RuntimeError("the ledger is full")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.models.query.QuerySet._raw_delete", refuse)
        with pytest.raises(RuntimeError):
            gathering.gather()
    teller.finish()
    assert heard == []
    gathered()
    assert len(heard) == 1


def test_the_thread_ends_when_all_is_told(heard: Batches) -> None:
    made = Teller()
    made.tell([])
    eventually(lambda: made._thread is None)
