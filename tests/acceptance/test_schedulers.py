"""Two schedulers: schedules fire once, and the second takes over when the first is gone."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from jobs.models import Job, Schedule, SchedulerLease
from jobs.models.schedule import ScheduleRun
from tests.acceptance.ledger import states
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Start = Callable[..., Running]


@pytest.fixture
def schedules(journal: Journal) -> list[Schedule]:
    """Three schedules that fire each second, and one that fires each minute."""
    names = ["first", "second", "third"]
    made = [
        Schedule(name=name, task="tests.acceptance.tasks.note", args=[journal.path, name], every_seconds=1)
        for name in names
    ]
    return Schedule.objects.bulk_create(made)


def leader() -> str:
    """Return the node that leads, "" if nobody does."""
    lease = SchedulerLease.objects.filter(name="scheduler").first()
    return lease.holder.split(":")[0] if lease else ""


def fired(count: int) -> None:
    """Wait until that many more firings than now are recorded."""
    wanted = ScheduleRun.objects.count() + count
    eventually(lambda: ScheduleRun.objects.count() >= wanted, 60, "the schedules do not fire")


def assert_each_fired_once(journal: Journal) -> None:
    runs = list(ScheduleRun.objects.values_list("schedule__name", "due_at"))
    assert len(set(runs)) == len(runs)
    jobs = Job.objects.filter(task="tests.acceptance.tasks.note")
    times = [(job.meta["schedule"], job.meta["due_at"]) for job in jobs]
    assert max(Counter(times).values()) == 1
    assert len(times) == len(runs)
    assert journal.run_count() == len(runs), "a firing ran twice or not at all"


def quiet(schedules: list[Schedule]) -> None:
    """Switch the schedules off and wait until what they fired has run."""
    Schedule.objects.filter(id__in=[each.id for each in schedules]).update(is_enabled=False)
    eventually(lambda: set(states()) == {"succeeded"}, 30)


def test_two_schedulers_fire_once_and_one_takes_over_from_a_killed_one(
    pool: Start, scheduler: Start, journal: Journal, schedules: list[Schedule], figures: Figures
) -> None:
    pool("workers")
    running = {node: scheduler(node) for node in ("a", "b")}
    first = eventually(leader, 60)
    fired(12)
    running[first].kill()
    killed_at = time.monotonic()
    eventually(lambda: leader() not in ("", first), 30, "nobody took over")
    takeover_seconds = time.monotonic() - killed_at
    count = ScheduleRun.objects.count()
    eventually(lambda: ScheduleRun.objects.count() > count, 30)
    first_firing_seconds = time.monotonic() - killed_at
    fired(12)
    quiet(schedules)
    figures.add(
        takeover_seconds=takeover_seconds,
        seconds_to_next_firing=first_firing_seconds,
        firings=ScheduleRun.objects.count(),
    )
    assert takeover_seconds <= 10
    assert_each_fired_once(journal)


def test_a_frozen_leader_that_thaws_fires_nothing_twice(
    pool: Start, scheduler: Start, journal: Journal, schedules: list[Schedule], figures: Figures
) -> None:
    pool("workers")
    running = {node: scheduler(node) for node in ("a", "b")}
    first = eventually(leader, 60)
    fired(6)
    os.killpg(running[first].pid, signal.SIGSTOP)
    frozen_at = time.monotonic()
    second = eventually(lambda: leader() if leader() != first else "", 30, "nobody took over")
    figures.add(takeover_seconds=time.monotonic() - frozen_at)
    fired(6)
    os.killpg(running[first].pid, signal.SIGCONT)
    fired(12)
    assert leader() == second
    quiet(schedules)
    assert_each_fired_once(journal)
    assert time.monotonic() - frozen_at > 10
