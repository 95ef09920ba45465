"""The scheduler's loop and command: steps that fail alone, real processes that take over."""

import logging
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from jobs.errors import TransportUnavailable
from jobs.lease import Lease
from jobs.models import Job, Schedule, SchedulerLease, ScheduleRun
from jobs.scheduler import Scheduler, Step
from tests.support import Running, eventually
from tests.time.conftest import ago


def run_until(scheduler: Scheduler, is_enough: Callable[[], bool]) -> None:
    """Run the loop in this thread until a step finds that it is enough."""
    stop = Event()
    deadline = time.monotonic() + 20

    def watch() -> int:
        if is_enough() or time.monotonic() > deadline:
            stop.set()
        return 1

    scheduler.steps = [*scheduler.steps, Step("watch", watch)]
    scheduler.run(stop)
    assert is_enough()


@pytest.mark.one_ledger
@pytest.mark.django_db(transaction=True)
def test_a_failing_step_stops_no_other_and_is_logged_once(caplog: Any) -> None:
    calls: list[str] = []

    def fail() -> int:
        calls.append("fail")
        raise TransportUnavailable("Redis is away")

    def work() -> int:
        calls.append("work")
        return 1

    with caplog.at_level(logging.INFO, logger="jobs.scheduler"):
        run_until(
            Scheduler(steps=[Step("fail", fail), Step("work", work)]),
            lambda: calls.count("fail") >= 2 and calls.count("work") >= 4,
        )
    assert calls.count("fail") < calls.count("work")
    assert [record.message for record in caplog.records].count(
        "fail: jobs.errors.TransportUnavailable: Redis is away; will be tried again"
    ) == 1


@pytest.mark.one_ledger
@pytest.mark.django_db(transaction=True)
def test_a_step_that_works_again_says_so(caplog: Any) -> None:
    outcomes = [OperationalError("away"), OperationalError("away"), 0]

    def flicker() -> int:
        outcome = outcomes.pop(0) if outcomes else 0
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with caplog.at_level(logging.INFO, logger="jobs.scheduler"):
        run_until(Scheduler(steps=[Step("flicker", flicker)]), lambda: not outcomes)
    said = [record.message for record in caplog.records if record.message.startswith("flicker")]
    assert len(said) == 2
    assert said[1] == "flicker: works again after 2 failures"


@pytest.mark.django_db(transaction=True)
def test_a_leader_whose_lease_is_gone_does_not_act() -> None:
    acted = []

    def freeze() -> int:
        """Do what a long freeze does: time passes, and another one leads."""
        SchedulerLease.objects.update(expires_at=ago(0.1))
        assert Lease("another").hold()
        time.sleep(0.5)  # longer than an answer about the lease is believed
        return 1

    scheduler = Scheduler(steps=[Step("freeze", freeze), Step("act", lambda: acted.append(1) or 1)])
    stop = Event()
    scheduler._turn(stop)
    assert not acted
    assert not scheduler.is_leading


@pytest.mark.django_db(transaction=True)
def test_a_loop_that_ends_gives_the_lease_up() -> None:
    run_until(Scheduler(steps=[]), lambda: True)
    assert Lease().hold()


def test_a_step_with_a_backlog_is_wanted_at_once() -> None:
    step = Step("fold", lambda: 10, every_seconds=60, batch=10)
    step.run()
    assert step.next_at <= time.monotonic()
    step.act = lambda: 9
    step.run()
    assert step.next_at > time.monotonic() + 50


def test_a_slow_step_runs_more_seldom() -> None:
    step = Step("expire", lambda: time.sleep(0.2) or 0, every_seconds=0.1)
    step.run()
    assert step.next_at > time.monotonic() + 1.5


@pytest.fixture
def scheduler_process(manage: Callable[..., Running]) -> Callable[[str], Running]:
    """Start `manage.py jobs_scheduler` as a node of this name."""
    Schedule.objects.all().delete()
    return lambda node: manage("jobs_scheduler", env={"QUEUEHUB_NODE": node})


def leader() -> str:
    lease = SchedulerLease.objects.filter(expires_at__gt=ago(0)).first()
    return lease.holder.partition(":")[0] if lease else ""


def test_the_command_moves_due_jobs_on_publishes_them_and_fires_schedules(
    scheduler_process: Callable[[str], Running], add_job: Callable[..., Job], redis_client: Any
) -> None:
    due = add_job("scheduled", due_at=ago(1), task="demo.tasks.census")
    later = add_job("scheduled", due_at=ago(-3600), task="demo.tasks.census")
    Schedule.objects.create(name="s", task="demo.tasks.census", every_seconds=1, next_at=timezone.now())
    scheduler_process("one")
    eventually(lambda: ScheduleRun.objects.count() >= 3, 20)
    due.refresh_from_db()
    assert (due.state, due.published_at is not None) == ("queued", True)
    later.refresh_from_db()
    assert later.state == "scheduled"
    assert redis_client.exists(f"rq:job:{due.id}-1")
    times = list(ScheduleRun.objects.order_by("due_at").values_list("due_at", flat=True))
    # a busy machine skips seconds; none is fired twice or between
    assert all((right - left).total_seconds() in {1.0, 2.0, 3.0, 4.0, 5.0, 6.0} for left, right in pairwise(times))


@pytest.mark.usefixtures("brisk")
def test_another_scheduler_takes_over_from_one_that_was_killed(
    scheduler_process: Callable[[str], Running],
) -> None:
    Schedule.objects.create(name="s", task="demo.tasks.census", every_seconds=1, next_at=timezone.now())
    first = scheduler_process("one")
    eventually(lambda: leader() == "one", 20)
    scheduler_process("two")
    eventually(lambda: ScheduleRun.objects.count() >= 2, 20)
    first.kill()
    killed_at = time.monotonic()
    eventually(lambda: leader() == "two", 15)
    assert time.monotonic() - killed_at <= 10
    count = ScheduleRun.objects.count()
    eventually(lambda: ScheduleRun.objects.count() > count, 10)
    assert Job.objects.count() == ScheduleRun.objects.count()


def test_a_scheduler_that_is_asked_to_end_hands_over_at_once(
    scheduler_process: Callable[[str], Running],
) -> None:
    first = scheduler_process("one")
    eventually(lambda: leader() == "one", 20)
    second = scheduler_process("two")
    eventually(lambda: leader() == "one", 5)
    second_is_ready = eventually(lambda: second.is_running)
    assert second_is_ready
    first.send(signal.SIGTERM)
    assert first.wait(5) == 0
    ended_at = time.monotonic()
    eventually(lambda: leader() == "two", 15)
    assert time.monotonic() - ended_at < 7


def freeze(process: Running) -> None:
    """Stop the process at a moment when it does not hold SQLite's only lock, on which all would have to wait."""

    def has_stopped_without_the_lock() -> bool:
        process.send(signal.SIGSTOP)
        if connection.vendor != "sqlite":
            return True
        with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0.2)) as probe:
            try:
                probe.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                process.send(signal.SIGCONT)
                return False
            return True

    eventually(has_stopped_without_the_lock)


@pytest.mark.usefixtures("brisk")
def test_a_frozen_leader_that_thaws_fires_nothing_twice(
    scheduler_process: Callable[[str], Running], settings: Any
) -> None:
    Schedule.objects.create(name="s", task="demo.tasks.census", every_seconds=1, next_at=timezone.now())
    first = scheduler_process("one")
    eventually(lambda: leader() == "one", 20)
    scheduler_process("two")
    freeze(first)
    eventually(lambda: leader() == "two", 15)
    first.send(signal.SIGCONT)
    count = ScheduleRun.objects.count()
    eventually(lambda: ScheduleRun.objects.count() >= count + 3, 15)
    assert leader() == "two"
    assert Job.objects.count() == ScheduleRun.objects.count()
