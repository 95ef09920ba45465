"""`run_jobs()`, by which applications test their own tasks: the real way of a job, in the process of the test."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from jobs.lifecycle import operate
from jobs.models import Attempt, Job, Worker
from jobs.testing import run_jobs
from jobs.transports.memory import MemoryTransport
from tests.engine import tasks
from tests.factories import ADD, fresh, make_job


@pytest.fixture(
    params=[
        pytest.param("in a transaction", marks=pytest.mark.django_db),
        pytest.param("committed", marks=pytest.mark.django_db(transaction=True)),
    ]
)
def any_database(request: pytest.FixtureRequest) -> None:
    """Either of pytest-django's databases."""
    assert connection.in_atomic_block == (request.param == "in a transaction")


def test_due_jobs_run_in_order_of_priority_and_age(any_database: None) -> None:
    for number, priority in enumerate((0, 9, 0, -4, 9)):
        tasks.remember.using(priority=priority).enqueue(number)
    jobs = run_jobs()
    assert tasks.SEEN == [1, 4, 0, 2, 3]
    assert [job.args[0] for job in jobs] == tasks.SEEN
    assert {job.state for job in jobs} == {"succeeded"}
    assert run_jobs() == []


def test_every_kind_of_task_runs(any_database: None, transport: MemoryTransport) -> None:
    tasks.add.enqueue(1, b=2)
    tasks.add_async.enqueue(3, 4)
    tasks.add_group.enqueue("a group")
    tasks.report.enqueue("half")
    results = [job.result for job in run_jobs()]
    assert results[:3] == [3, 7, "a group"]
    assert results[3]["attempt"] == 1
    assert Job.objects.get(task=tasks.report.module_path).progress["message"] == "half"
    assert Group.objects.filter(name="a group").exists()
    assert Attempt.objects.filter(outcome="success").count() == 4
    assert transport.queue_names() == set()
    assert Worker.objects.get().state == "stopped"


def test_a_coroutine_may_look_whether_it_is_cancelled(any_database: None) -> None:
    tasks.ask_async.enqueue()
    assert [(job.state, job.result) for job in run_jobs()] == [("succeeded", False)]


def test_failures_end_in_their_jobs(any_database: None) -> None:
    Group.objects.create(name="taken")
    tasks.fail.using(max_attempts=1).enqueue()
    tasks.add_group.enqueue("taken")
    tasks.make_group.enqueue("taken")
    tasks.add.enqueue(1)
    # a delay is drawn from nought to two seconds, so a job may come round again
    states = {job.id: job.state for job in run_jobs()}
    assert list(states.values()) == ["dead", "retrying", "retrying", "succeeded"]
    assert Group.objects.filter(name="taken").count() == 1


def test_no_more_than_max_jobs_run(db: None) -> None:
    for _ in range(3):
        make_job()
    assert len(run_jobs(max_jobs=2)) == 2
    assert run_jobs(max_jobs=0) == []
    assert len(run_jobs()) == 1


def test_what_jobs_enqueue_runs_in_the_same_call(any_database: None) -> None:
    tasks.enqueue_another.enqueue("second")
    assert len(run_jobs()) == 2
    assert tasks.SEEN == ["second"]


def test_a_retry_without_a_delay_runs_again_and_is_listed_again(db: None) -> None:
    tasks.fail_at_once.enqueue()
    jobs = run_jobs()
    assert [job.state for job in jobs] == ["dead"] * 3
    assert len({job.id for job in jobs}) == 1
    assert jobs[0].attempts.count() == 3


def test_later_paused_and_cancelled_jobs_are_left_alone(db: None) -> None:
    waiting = [make_job("scheduled"), make_job("retrying"), make_job(queue="paused"), make_job("cancelled")]
    operate.pause_queue("paused", actor="test")
    assert run_jobs() == []
    assert [fresh(job).state for job in waiting] == ["scheduled", "retrying", "queued", "cancelled"]


def test_a_soft_limit_holds(db: None) -> None:
    tasks.spin.enqueue()
    (job,) = run_jobs()
    assert (job.state, job.attempts.get().outcome) == ("dead", "timeout")


def test_a_rolled_back_enqueue_does_not_run(any_database: None) -> None:
    class BoomError(Exception):
        pass

    def enqueue() -> None:
        with transaction.atomic():
            tasks.remember.enqueue(1)
            raise BoomError

    with pytest.raises(BoomError):
        enqueue()
    assert run_jobs() == []
    assert tasks.SEEN == []


def test_a_test_can_look_at_its_own_rows(db: None, django_assert_num_queries: Any) -> None:
    job = Job.objects.create(task=ADD, args=[2])
    assert run_jobs() == [job]
    assert fresh(job).result == 2
