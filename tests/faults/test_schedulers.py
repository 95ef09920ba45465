"""Schedulers that die, come twice, or freeze: schedules fire once, retries and delayed jobs go on."""

import signal

import pytest

from tests.faults.site import Site
from tests.faults.test_failpoints_scheduler import crash_scheduler
from tests.support import eventually

TAKE_OVER_SECONDS = 10.0


def leader(site: Site) -> str:
    """Return the node of the scheduler that leads."""
    rows = site.ledger.query("SELECT holder FROM jobs_schedulerlease")
    return str(rows[0][0]).partition(":")[0] if rows else ""


def check_firings(site: Site, more_than: float | None = None) -> None:
    """Every firing is one job, no second was fired twice, and it fired in half of the seconds, or `more_than`."""
    ((runs, times, jobs),) = site.ledger.query(
        "SELECT count(*), count(DISTINCT CAST(schedule_id AS text) || CAST(due_at AS text)), count(DISTINCT job_id)"
        " FROM jobs_schedulerun"
    )
    ((ticks,),) = site.ledger.query("SELECT count(*) FROM jobs_job WHERE task = 'tests.faults.tasks.tick'")
    site.notes["firings"] = runs
    assert runs == times == jobs == ticks > (site.load_seconds / 2 if more_than is None else more_than)


@pytest.mark.fault("scheduler dead")
@pytest.mark.on_sqlite
def test_while_no_scheduler_runs_due_jobs_go_on_and_the_rest_waits(site: Site) -> None:
    site.start(pools=2)
    scheduler = site.schedulers.pop("s")
    with site.fault():
        scheduler.kill()
        ran = site.journal.run_count()
        site.rest(site.load_seconds)
        assert site.journal.run_count() > ran + site.load_seconds * 20, "due jobs stopped"
        site.start_scheduler("s")
    site.check()
    check_firings(site, more_than=2)  # missed times are skipped: only those before and after count


@pytest.mark.fault("scheduler doubled")
@pytest.mark.on_sqlite
def test_three_schedulers_of_which_one_is_killed_again_and_again_fire_once(site: Site) -> None:
    site.start(pools=2, schedulers=2)
    site.manage("s", "jobs_scheduler")  # a third, of the same name as the first
    with site.fault():
        for _ in site.each(3.0):
            site.schedulers[site.random.choice(["s", "t"])].kill()
    site.check()
    check_firings(site)


@pytest.mark.fault("frozen leader")
def test_a_frozen_leader_is_replaced_and_does_no_harm_when_it_thaws(site: Site) -> None:
    site.start(pools=2, schedulers=2)
    times = []
    with site.fault():
        for _ in site.each(2.0):
            frozen = eventually(lambda: leader(site), 10)
            site.schedulers[frozen].send(signal.SIGSTOP)
            begun = site.clock()
            eventually(lambda frozen=frozen: leader(site) != frozen, TAKE_OVER_SECONDS + 5, "nobody takes over")  # type: ignore[misc]
            times.append(site.clock() - begun)
            site.schedulers[frozen].send(signal.SIGCONT)
    site.notes["take_over_seconds"] = round(max(times), 2)
    assert max(times) <= TAKE_OVER_SECONDS
    site.check()
    check_firings(site)


@pytest.mark.fault("dispatcher killed after publish")
@pytest.mark.on_sqlite
def test_a_dispatcher_killed_after_it_has_published_loses_nothing(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        crash_scheduler(site, {"dispatch.sent": 0.5})
    site.check()
