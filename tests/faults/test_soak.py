"""The soak: random faults, one after the other, for as long as wished; `make soak` takes ten minutes."""

from collections import Counter

import pytest

from tests.faults.harm import MENUS
from tests.faults.site import Site
from tests.support import eventually

PAUSE_SECONDS = 2.0
RATE = 350


@pytest.mark.soak
def test_nothing_is_lost_accepted_twice_or_unexpected_under_random_faults(
    site: Site, pytestconfig: pytest.Config
) -> None:
    seconds = pytestconfig.getoption("--soak-seconds")
    site.start(pools=3, schedulers=2, rate=RATE)
    site.notes["seed"] = site.seed
    struck: Counter[str] = Counter()
    with site.fault():
        for _ in site.each(PAUSE_SECONDS, seconds):
            harm = site.random.choice(MENUS[site.ledger.name])
            harm(site)
            struck[harm.__name__] += 1
    site.notes["faults"] = dict(struck)
    report = site.check(ends={"poison": frozenset({"dead"})}, seconds=240, has_limits=False)
    assert report.acknowledged >= pytestconfig.getoption("--soak-jobs")
    eventually(lambda: site.ledger.query("SELECT count(*) FROM jobs_worker WHERE state = 'active'") == [(0,)])
