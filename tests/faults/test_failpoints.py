"""Workers, pool parents and producers crash at each durable step, under load.

One of two pools is armed, or one of two producers; each point kills by chance, so that all of a group are met.
"""

import os
import signal
from contextlib import suppress

import pytest

from jobs.failpoints import POINTS, VARIABLE
from tests import run_directory
from tests.faults import test_failpoints_scheduler as scheduler
from tests.faults.batches import RATE_BESIDE, insert_logged
from tests.faults.crashes import armed, await_firing, killing, restart_pool
from tests.faults.site import RATE, Site

# On SQLite every batch is settled in steps, on PostgreSQL only what cannot be settled in one statement.
STEP = 0.1 if run_directory.ledger() == "postgresql" else 0.01

IN_WORKERS = {
    "receiving": {
        "receive.popped": 0.01,
        "claim.committed": 0.01,
        "receive.put": 0.01,
        "receive.acknowledged": 0.01,
    },
    "running": {"run.taken": 0.003, "run.begun": 0.003, "run.ended": 0.003, "run.handed_over": 0.003},
    "settling": {"settle.taken": 0.01, "settle.judged": 0.01, "settle.committed": 0.01, "settle.noted": 0.01},
    "settling in steps": {
        "settle.moved": STEP,
        "settle.recorded": STEP,
        "settle.counted": STEP,
        "atomic.settled": 0.1,
        "atomic.committed": 0.1,
    },
}
IN_STOPPING_WORKERS = {
    "republish.moved": 0.3, "republish.committed": 0.5, "worker.enrolled": 0.1, "worker.leaving": 0.1,
}  # fmt: skip
IN_PARENTS = {
    "burying": {"pool.reaped": 0.1, "pool.burying": 0.1, "pool.buried": 0.1},
    "losing": {"lose.marked": 0.15, "lose.batch": 0.3},
    "releasing": {"release.moved": 0.3},
    "keeping": {"pool.forked": 0.05, "heartbeat.written": 0.5},
}
IN_PRODUCERS = {"enqueue.inserted": 0.005, "enqueue.committed": 0.01, "publish.sent": 0.01, "dispatch.sent": 0.01}
AT_HAND_COUNT = 20
UNSENT = {"dispatch.refused": 0.5, "dispatch.unpublished": 1.0}


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
@pytest.mark.parametrize("group", IN_WORKERS)
def test_workers_that_crash_at_a_durable_step_lose_nothing(site: Site, group: str) -> None:
    points = IN_WORKERS[group]
    site.start(pools=2)
    with site.fault():
        restart_pool(site, "b", **killing(points))
        await_firing(site, points, lambda: None, site.load_seconds)
        restart_pool(site, "b")
    site.check()


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_workers_that_crash_while_they_start_and_stop_lose_nothing(site: Site) -> None:
    site.start(pools=2, rate=RATE_BESIDE)
    with site.fault():
        restart_pool(site, "b", **killing(IN_STOPPING_WORKERS))
        await_firing(site, IN_STOPPING_WORKERS, lambda: strike(site, signal.SIGTERM), site.load_seconds)
        restart_pool(site, "b")
    site.check()


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
@pytest.mark.parametrize("group", IN_PARENTS)
def test_pool_parents_that_crash_at_a_durable_step_lose_nothing(site: Site, group: str) -> None:
    points = IN_PARENTS[group]
    site.start(pools=2, rate=RATE_BESIDE)
    with site.fault():
        restart_pool(site, "b", **killing(points))
        await_firing(site, points, lambda: strike(site, signal.SIGKILL), site.load_seconds)
        restart_pool(site, "b")
    site.check()


def strike(site: Site, number: signal.Signals) -> None:
    """Signal one worker of the armed pool that has run something, with jobs at hand that have not begun.

    One that is struck at its start counts as crashed there, and keeps its successor waiting.
    """
    insert_logged(site, "work", AT_HAND_COUNT, work_seconds=0.01)
    living = set(site.worker_pids("b"))
    if pids := sorted({line.pid for line in site.journal.lines() if line.node == "b"} & living):
        with suppress(ProcessLookupError):
            os.kill(site.random.choice(pids), number)


@pytest.mark.fault("crash at each durable step", "killed between commit and publish")
@pytest.mark.on_sqlite
def test_producers_that_crash_at_a_durable_step_lose_nothing(site: Site) -> None:
    crash_producers(site, IN_PRODUCERS, killing(IN_PRODUCERS))


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_producers_that_crash_after_messages_were_refused_lose_nothing(site: Site) -> None:
    # The messages are sent, yet the sender is told that they are not: what a reply that is lost looks like.
    kills = killing(UNSENT)[VARIABLE]
    crash_producers(site, UNSENT, armed("publish.sent=raise=TransportUnavailable", kills))


def crash_producers(site: Site, points: dict[str, float], environment: dict[str, str]) -> None:
    """Let half of the load come from producers that are armed, and start another whenever one is killed."""
    site.start(pools=2, rate=RATE / 2)

    def replace() -> None:
        if not site.producers[-1].is_running:
            site.produce(RATE / 2, **environment)

    with site.fault():
        site.produce(RATE / 2, **environment)
        await_firing(site, points, replace, site.load_seconds)
        site.producers[-1].kill()
    site.check()


def test_a_process_crashes_at_every_failpoint() -> None:
    groups = [*IN_WORKERS.values(), *IN_PARENTS.values(), IN_STOPPING_WORKERS, IN_PRODUCERS, UNSENT, *scheduler.GROUPS]
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(POINTS)
