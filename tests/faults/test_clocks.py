"""Clocks that are an hour off, and clocks that are put forward or back in the middle of the load."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.conftest import missing
from tests.faults.clocks import NoFakeTimeError, server_prefix, shifted
from tests.faults.conftest import Sites
from tests.faults.site import Site
from tests.faults.test_schedulers import check_firings
from tests.support import eventually

HOUR = 3600.0
FORWARD = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
BACK = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
"""When clocks in Berlin change."""

START_SECONDS = 45
"""How long before the change the site is started."""


@pytest.mark.fault("clocks an hour off")
@pytest.mark.on_sqlite
def test_nodes_whose_clocks_are_an_hour_off_rescue_and_run_like_the_others(site: Site) -> None:
    ahead, behind = shifted(HOUR), shifted(-HOUR)
    site.start_pool("x", **ahead)
    site.start_pool("y", **behind)
    site.start_scheduler("t", **behind)
    site.start(pools=1)
    site.produce(100, **ahead)
    with site.fault():
        for number in site.each(2.0):
            node = "axy"[number % 3]
            if number % 3 == 2 and site.ledger.name == "postgresql":
                site.schedulers["s" if number % 2 else "t"].kill()
            for pid in site.worker_pids(node):
                site.kill(pid)
    site.check()
    check_firings(site)
    assert site.ledger.query("SELECT count(*) FROM jobs_worker WHERE state = 'active'") == [(0,)]


@pytest.mark.slow
@pytest.mark.fault("daylight saving")
@pytest.mark.parametrize("change_at", [FORWARD, BACK], ids=["forward", "back"])
def test_when_clocks_change_each_minute_fires_once(make_site: Sites, change_at: datetime) -> None:
    offset = (change_at - timedelta(seconds=START_SECONDS) - datetime.now(UTC)).total_seconds()
    try:
        prefix = server_prefix(offset)
    except NoFakeTimeError as error:
        missing(str(error))
    site = make_site(ledger={"prefix": prefix})
    site.processes.environment |= shifted(offset)
    site.ledger.query(
        "INSERT INTO jobs_schedule (name, task, cron, timezone)"
        " VALUES ('minutely', 'tests.faults.tasks.tick', '* * * * *', 'Europe/Berlin')"
    )
    with site.fault():
        site.start(pools=2)
        fired = (
            "SELECT due_at FROM jobs_schedulerun r JOIN jobs_schedule s ON s.id = r.schedule_id"
            " WHERE s.name = 'minutely' ORDER BY due_at"
        )
        eventually(lambda: len(site.ledger.query(fired)) >= 2, 150, "it does not fire")
    site.check()
    times = [at for (at,) in site.ledger.query(fired)]
    assert change_at in times
    assert all(later - at == timedelta(minutes=1) for at, later in pairwise(times))
    check_firings(site)
