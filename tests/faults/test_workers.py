"""Worker processes that are killed, stopped and frozen."""

import pytest

from tests.faults.site import Site


@pytest.mark.fault("kill -9 of a worker")
@pytest.mark.on_sqlite
def test_workers_killed_each_second_lose_nothing(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        for _ in site.each(1.0):
            site.kill_a_worker()
    site.check()
