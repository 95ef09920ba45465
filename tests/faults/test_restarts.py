"""Workers and pools that are stopped in good order, at any point, and started again."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import Sites
from tests.faults.site import STOP_SECONDS, Site
from tests.support import eventually

STOPS_PER_SECOND = 34
"""Of load: 1,000 at full length, which takes longer than the load where workers start slowly."""
MOST_SECONDS = 180.0


@pytest.mark.fault("SIGTERM at any point, 1,000 times")
@pytest.mark.on_sqlite
def test_workers_told_to_stop_at_any_point_lose_nothing(site: Site) -> None:
    site.start(pools=2, options=("--processes", "3"))
    stops = 0
    with site.fault():
        for _ in site.each(1 / STOPS_PER_SECOND, MOST_SECONDS):
            if stops >= STOPS_PER_SECOND * site.load_seconds:
                break
            for pid in site.random.sample(pids := site.worker_pids(), min(2, len(pids))):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                    stops += 1
    site.notes["stops"] = stops
    assert stops >= STOPS_PER_SECOND * site.load_seconds
    report = site.check()
    assert report.run_twice == 0, "a stop in good order lets runs end"


@pytest.mark.fault("rolling restart under load")
@pytest.mark.on_sqlite
def test_a_rolling_restart_under_load_loses_nothing_and_stops_no_job(site: Site) -> None:
    site.start(pools=3)
    restarts = 0
    with site.fault():
        for number in site.each(0.5):
            node = "abc"[number % 3]
            old = site.pools[node]
            old.send(signal.SIGTERM)
            eventually(lambda old=old: not old.is_running, STOP_SECONDS, "a pool does not stop")  # type: ignore[misc]
            assert old.wait() == 0
            restarts += 1
    site.notes["restarts"] = restarts
    assert site.check().run_twice == 0


@pytest.mark.fault("the same node started again")
@pytest.mark.on_sqlite
def test_two_pools_of_one_node_do_not_take_each_other_for_dead(site: Site) -> None:
    site.start(pools=1)
    twin = site.manage("a", "jobs_worker", "--processes", "1", "--threads", "2")
    site.await_workers(2)
    with site.fault():
        for _ in site.each(3.0):
            site.kill_a_pool("a")
    living = "SELECT count(*) FROM jobs_worker WHERE node = 'a' AND state = 'active'"
    eventually(lambda: site.ledger.query(living)[0][0] == 2, 30, "one of the two was given up")
    assert twin.is_running
    site.rest(1)
    twin.stop(STOP_SECONDS)
    site.check()


@pytest.mark.fault("50 workers at once")
def test_fifty_workers_started_at_once_share_the_load(make_site: Sites) -> None:
    site = make_site(ledger={"max_connections": "400"})
    site.start(pools=1)
    with site.fault():
        site.start_pool("z", processes=50, threads=1)
        site.await_workers(51)
        site.rest(site.load_seconds)
    site.check()


@pytest.mark.fault("hang at boot")
def test_a_pool_that_hangs_at_its_start_holds_nothing_up(site: Site, tmp_path: Path) -> None:
    flag = tmp_path / "hang"
    flag.touch()
    site.start(pools=1)
    with site.fault():
        hanging = site.start_pool("h", FAULTS_HANG_AT_BOOT=str(flag))
        site.rest(site.load_seconds)
        assert site.ledger.query("SELECT count(*) FROM jobs_worker WHERE node = 'h'") == [(0,)]
        hanging.stop()
    site.start_pool("h", FAULTS_HANG_AT_BOOT=str(flag))
    flag.unlink()
    site.await_workers(2)
    site.check()
