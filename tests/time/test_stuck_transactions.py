"""PostgreSQL: a transaction that somebody left open holds the housekeeping up for a moment only.

SQLite has one lock for all and one machine; there is nothing to test there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from jobs.declared import sync_declared
from jobs.models import Job, Schedule, Statistic, Worker
from jobs.reconciler import Reconciler, repair_messages
from jobs.schedules import fire_due
from jobs.statements import LOCK_SECONDS, ledger_transaction
from jobs.statistics import fold
from tests.conftest import LiveDatabase
from tests.time.conftest import TICK, Clock, ago, watch


@pytest.fixture(autouse=True)
def no_declared_schedules(live_database: LiveDatabase) -> None:
    Schedule.objects.all().delete()


@contextmanager
def stuck(query: Any) -> Iterator[None]:
    """Hold the rows of this query in the open transaction of another connection."""
    is_held, is_over = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                list(query.select_for_update())
                is_held.set()
                is_over.wait(30)
        finally:
            connections.close_all()

    holder = Thread(target=hold)
    holder.start()
    assert is_held.wait(10)
    try:
        yield
    finally:
        is_over.set()
        holder.join()


def has_row_locks() -> bool:
    return bool(connection.features.has_select_for_update)


def test_the_bounds_hold_inside_and_are_gone_afterwards() -> None:
    if not has_row_locks():
        return

    def bounds() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout')")
            lock = cursor.fetchone()[0]
            cursor.execute("SELECT current_setting('idle_in_transaction_session_timeout')")
            return [lock, cursor.fetchone()[0]]

    before = bounds()
    with ledger_transaction(LOCK_SECONDS):
        assert bounds() == ["1s", "10s"]
    assert bounds() == before


@pytest.mark.parametrize("act", [fold, sync_declared], ids=["fold", "sync"])
def test_who_must_have_a_locked_row_gives_up_soon(act: Callable[[], Any]) -> None:
    if not has_row_locks():
        return
    Statistic.objects.create(minute_at=ago(0), queue="q", task="t", counts={"success": 1})
    fold()
    Statistic.objects.create(minute_at=ago(0), queue="q", task="t", counts={"success": 1})
    Schedule.objects.create(name="s", task=TICK, every_seconds=60)
    held = Statistic.objects.filter(period="total") if act is fold else Schedule.objects.all()
    with stuck(held):
        began_at = time.monotonic()
        with pytest.raises(OperationalError):
            act()
        assert time.monotonic() - began_at < 5
    act()


def test_a_locked_schedule_and_a_locked_job_are_passed_over(add_job: Callable[..., Job], memory_transport: Any) -> None:
    if not has_row_locks():
        return
    held = Schedule.objects.create(name="held", task=TICK, every_seconds=60, next_at=ago(1))
    Schedule.objects.create(name="free", task=TICK, every_seconds=60, next_at=ago(1))
    with stuck(Schedule.objects.filter(id=held.id)):
        assert fire_due() == 1
    jobs = [add_job("queued", published_at=ago(10), publish_seq=1) for _ in range(2)]
    with stuck(Job.objects.filter(id=jobs[0].id)):
        assert repair_messages() == 1
    assert repair_messages() == 1


def test_a_lost_worker_whose_rows_are_locked_keeps_no_other_waiting(clock: Clock) -> None:
    if not has_row_locks():
        return
    for name in ("a", "b", "c"):
        Worker.objects.create(id=name, pool="p", node="n", host="h", pid=1, heartbeat_at=ago(60))
    watcher = Reconciler()
    watch(watcher, clock, 14)
    clock.seconds += 3
    with stuck(Worker.objects.filter(id="a")), pytest.raises(OperationalError):
        watcher.repair_workers()
    assert set(Worker.objects.filter(state="lost").values_list("id", flat=True)) == {"b", "c"}
    assert watcher.repair_workers() == 1
