"""Schedulers and operators' commands crash at each durable step, under load.

The one scheduler is armed with one point after the other: it would hardly survive several for long enough.
"""

import sys
from collections.abc import Callable

import pytest

from tests.faults.batches import RATE_BESIDE, insert, insert_logged, moment
from tests.faults.crashes import armed, await_firing, killing, restart_scheduler
from tests.faults.site import Site
from tests.support import eventually

LEADING = {"scheduler.elected": 1.0, "scheduler.stepped": 0.1, "due.promoted": 0.3, "dispatch.taken": 0.3}
REPAIRING = {"repair.found": 0.7, "repair.compared": 0.5, "repair.cleared": 0.5}
TIDYING = {"due.expired": 0.5, "retention.attempts_deleted": 0.5, "retention.committed": 0.5, "fold.added": 0.5}
FIRING = {"schedule.fired": 0.3, "schedule.committed": 0.3}
OPERATING = ("operate.written", "operate.committed")
GROUPS = (LEADING, REPAIRING, TIDYING, FIRING, OPERATING)

TICK = "tests.faults.tasks.tick"
SCHEDULE_COUNT = 3
CANCELLED_COUNT = 1200
"""More than two batches of a verb."""

CANCEL = (sys.executable, "-m", "tests.faults.operators", "cancel-scheduled")


def crash_scheduler(site: Site, points: dict[str, float], provoke: Callable[[], object] = lambda: None) -> None:
    """Let the scheduler be killed at one point after the other, on the node of the second pool."""
    for name, chance in points.items():
        restart_scheduler(site, "s", QUEUEHUB_NODE="b", **killing({name: chance}))
        await_firing(site, [name], provoke, site.load_seconds / len(points))
    restart_scheduler(site, "s", QUEUEHUB_NODE="b")


@pytest.mark.slow
@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_a_scheduler_that_crashes_while_it_leads_loses_nothing(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        crash_scheduler(site, LEADING)
    site.check()


@pytest.mark.slow
@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_a_scheduler_that_crashes_while_it_repairs_loses_nothing(site: Site) -> None:
    site.start(pools=2)

    def harm() -> None:
        with site.broker.client() as client:
            client.flushall()
        if site.random.random() < 0.1:
            site.pools["b"].kill()  # not noted by the site: nobody can notice a death while no scheduler lives

    with site.fault():
        crash_scheduler(site, REPAIRING, harm)
    site.check()


@pytest.mark.slow
@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_a_scheduler_that_crashes_while_it_tidies_up_loses_nothing(site: Site) -> None:
    site.start(pools=2, rate=RATE_BESIDE)

    def grow() -> None:
        soon, later, long_ago = (moment(seconds) for seconds in (1, 3600, -40 * 86400))
        insert_logged(site, "expired", 5, state="scheduled", due_at=later, expires_at=soon)
        insert(site, [f"old-{n}" for n in range(20)], state="succeeded", finished_at=long_ago, reason="old")
        site.ledger.query(
            "INSERT INTO jobs_attempt (job_id, number, outcome, claim, worker, queue, started_at, finished_at)"
            " SELECT id, 1, 'snoozed', 1, 'w', 'old', finished_at, finished_at FROM jobs_job"
            " WHERE reason = 'old' AND id NOT IN (SELECT job_id FROM jobs_attempt WHERE queue = 'old')"
        )

    with site.fault():
        crash_scheduler(site, TIDYING, grow)
    old = "SELECT count(*) FROM jobs_job WHERE reason = 'old'"
    eventually(lambda: site.ledger.query(old) == [(0,)], 90, "old jobs are left")
    assert site.ledger.query("SELECT count(*) FROM jobs_attempt WHERE queue = 'old'") == [(0,)]
    site.check(ends={"expired": frozenset({"cancelled"})})
    assert counted_successes(site) == attempted_successes(site), "statistics were lost or counted twice"


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_a_scheduler_that_crashes_while_it_fires_loses_and_doubles_no_firing(site: Site) -> None:
    site.start(pools=2)
    for number in range(SCHEDULE_COUNT):
        site.ledger.query(
            "INSERT INTO jobs_schedule (name, task, every_seconds) VALUES (%s, %s, 1)", f"tick-{number}", TICK
        )
    with site.fault():
        crash_scheduler(site, FIRING)
    site.check()
    jobs = {row[0] for row in site.ledger.query("SELECT id FROM jobs_job WHERE task = %s", TICK)}
    runs = [row[0] for row in site.ledger.query("SELECT job_id FROM jobs_schedulerun")]
    assert len(runs) == len(set(runs)) > SCHEDULE_COUNT
    assert set(runs) == jobs, "a firing without its job, or a job without its firing"


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_a_command_that_crashes_between_its_batches_can_be_given_again(site: Site) -> None:
    site.start(pools=2, rate=RATE_BESIDE)
    insert_logged(site, "unwanted", CANCELLED_COUNT, state="scheduled", due_at=moment(3600))
    with site.fault():
        for name in OPERATING:
            killed = site.processes.start(*CANCEL, env=armed(f"{name}=kill:after=1"))
            assert killed.wait(60) == -9
            await_firing(site, [name], lambda: None, 0)
    assert site.processes.start(*CANCEL).wait(60) == 0
    site.check(ends={"unwanted": frozenset({"cancelled"})})
    audited = "SELECT count(*), count(DISTINCT target) FROM jobs_auditentry WHERE action = 'cancel'"
    assert site.ledger.query(audited) == [(CANCELLED_COUNT, CANCELLED_COUNT)]


def counted_successes(site: Site) -> int:
    """Return the successes that the statistics count: those folded into totals, and those not folded yet."""
    count = "counts->>'success'" if site.ledger.port else "json_extract(counts, '$.success')"
    total = f"SELECT sum(coalesce(CAST({count} AS integer), 0)) FROM jobs_statistic WHERE period IN ('raw', 'total')"
    return int(site.ledger.query(total)[0][0])


def attempted_successes(site: Site) -> int:
    return int(site.ledger.query("SELECT count(*) FROM jobs_attempt WHERE outcome = 'success'")[0][0])
