"""Schedules fire: once, in time, and independently of each other."""

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from jobs.errors import InvalidJob
from jobs.models import AuditEntry, Job, Schedule, ScheduleRun
from jobs.schedules import check_schedule, delete_old_runs, fire_due
from jobs.transports.memory import MemoryTransport
from tests.conftest import LiveDatabase
from tests.time.conftest import TICK, ago

pytestmark = pytest.mark.usefixtures("memory_transport")


@pytest.fixture(autouse=True)
def no_declared_schedules(db: None) -> None:
    Schedule.objects.all().delete()


def due_schedule(name: str = "s", late_seconds: float = 1, **columns: Any) -> Schedule:
    next_at = timezone.now() - timedelta(seconds=late_seconds)
    values = {"task": TICK, "every_seconds": 3600, "next_at": next_at}
    return Schedule.objects.create(name=name, **{**values, **columns})


def test_a_due_schedule_enqueues_its_job_and_moves_on() -> None:
    schedule = due_schedule(args=[7], kwargs={"word": "hello"}, queue="mail", priority=5)
    planned_at = schedule.next_at
    assert fire_due() == 1
    job = Job.objects.get()
    assert (job.task, job.args, job.kwargs) == (TICK, [7], {"word": "hello"})
    assert (job.queue, job.priority) == ("mail", 5)
    assert job.meta["schedule"] == "s"
    schedule.refresh_from_db()
    assert schedule.last_at == planned_at
    assert schedule.next_at == planned_at + timedelta(hours=1)
    run = ScheduleRun.objects.get()
    assert (run.due_at, run.job_id) == (planned_at, job.id)
    assert fire_due() == 0


def test_a_schedule_without_queue_and_priority_takes_those_of_its_task() -> None:
    due_schedule(task="tests.time.tasks.tock")
    fire_due()
    job = Job.objects.get()
    assert (job.queue, job.priority) == ("slow-lane", 3)


def test_a_new_schedule_is_planned_and_does_not_fire_at_once() -> None:
    schedule = due_schedule(next_at=None, every_seconds=60)
    assert fire_due() == 0
    schedule.refresh_from_db()
    assert schedule.next_at == schedule.created_at + timedelta(seconds=60)


def test_an_edited_timing_takes_effect_at_once() -> None:
    schedule = due_schedule(next_at=None, every_seconds=None, cron="0 0 1 1 *")
    fire_due()
    Schedule.objects.update(cron="* * * * *")
    fire_due()
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert schedule.next_at - timezone.now() <= timedelta(minutes=1)


def test_an_edited_schedule_does_not_fire_for_its_old_time() -> None:
    due_schedule(next_at=None, every_seconds=1)
    fire_due()
    Schedule.objects.update(every_seconds=3600, next_at=ago(1))
    assert fire_due() == 0


@pytest.mark.parametrize(("misfire", "expected"), [("skip", 0), ("once", 1)])
def test_missed_times_are_skipped_or_made_up_once(misfire: str, expected: int) -> None:
    schedule = due_schedule(late_seconds=10 * 3600, misfire=misfire)
    assert fire_due() == expected
    assert Job.objects.count() == expected
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert timezone.now() < schedule.next_at <= timezone.now() + timedelta(hours=1)


def test_a_short_delay_is_no_misfire() -> None:
    due_schedule(late_seconds=12, misfire="skip")
    assert fire_due() == 1


def test_a_disabled_schedule_rests() -> None:
    due_schedule(is_enabled=False)
    assert fire_due() == 0


def test_a_time_that_has_fired_does_not_fire_again() -> None:
    schedule = due_schedule()
    planned_at = schedule.next_at
    fire_due()
    Schedule.objects.update(next_at=planned_at)
    assert fire_due() == 0
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"task": "tests.time.tasks.gone"}, "no task named"),
        ({"args": [1, 2, 3]}, "too many positional"),
        ({"kwargs": {"colour": 1}}, "unexpected keyword"),
        ({"cron": "61 * * * *", "every_seconds": None}, "cannot be read"),
        ({"timezone": "Mars/Base"}, "not a time zone"),
        ({"queue": "no blanks"}, "not a valid name"),
    ],
)
def test_a_schedule_that_cannot_fire_says_why_and_blocks_no_other(columns: dict[str, Any], said: str) -> None:
    broken = due_schedule("broken", late_seconds=5, **columns)
    due_schedule("sound", late_seconds=1)
    assert fire_due() == 1
    assert Job.objects.get().meta["schedule"] == "sound"
    broken.refresh_from_db()
    assert said in broken.last_error
    assert broken.next_at is not None
    assert broken.next_at > timezone.now()
    assert not ScheduleRun.objects.filter(schedule=broken).exists()
    entry = AuditEntry.objects.get(target="schedule broken")
    assert (entry.actor, entry.result) == ("scheduler", "refused")


def test_the_same_refusal_is_audited_once_and_forgotten_when_it_fires_again() -> None:
    schedule = due_schedule(args=[1, 2, 3])
    fire_due()
    Schedule.objects.update(next_at=ago(1))
    fire_due()
    assert AuditEntry.objects.count() == 1
    Schedule.objects.update(next_at=ago(1), args=[])
    assert fire_due() == 1
    schedule.refresh_from_db()
    assert schedule.last_error == ""


def test_a_firing_that_rolls_back_leaves_no_message(memory_transport: MemoryTransport) -> None:
    due_schedule(args=[1, 2, 3])
    fire_due()
    assert Job.objects.count() == 0
    assert memory_transport.depths(["default"]) == {"default": 0}


def test_check_schedule_names_the_column() -> None:
    mistakes = [("misfire", "maybe"), ("priority", 101), ("args", {}), ("kwargs", []), ("args", [{1}])]
    for column, value in mistakes:
        schedule = Schedule(name="s", task=TICK, every_seconds=1)
        setattr(schedule, column, value)
        with pytest.raises(InvalidJob) as caught:
            check_schedule(schedule)
        assert caught.value.field.startswith(column)


def test_old_firings_are_deleted() -> None:
    schedule = due_schedule()
    ScheduleRun.objects.create(schedule=schedule, due_at=timezone.now(), fired_at=ago(40 * 86400))
    fire_due()
    assert delete_old_runs() == 1
    assert ScheduleRun.objects.count() == 1


def test_many_schedulers_at_once_fire_each_time_once(live_database: LiveDatabase) -> None:
    Schedule.objects.all().delete()
    for number in range(20):
        due_schedule(f"s{number}")
    barrier, counts = Barrier(4), []

    def race() -> None:
        barrier.wait()
        try:
            counts.append(sum(fire_due() for _ in range(3)))
        finally:
            connections.close_all()

    threads = [Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    assert sum(counts) == 20
    assert Job.objects.count() == ScheduleRun.objects.count() == 20
