"""Two releases at once: workers of the one before meet jobs of tasks that they do not know yet."""

import pytest

from tests.faults.rows import insert
from tests.faults.site import STOP_SECONDS, Site


@pytest.mark.fault("version skew")
@pytest.mark.on_sqlite
def test_jobs_of_a_task_that_older_workers_do_not_know_run_on_newer_ones(site: Site) -> None:
    site.start(pools=1)
    site.start_pool("old", FAULTS_IS_OLD_RELEASE="1")
    site.await_workers(2)
    with site.fault():
        for _ in site.each(0.5):
            insert(site, "linger", 5, 0.001)
        site.pools.pop("old").stop(STOP_SECONDS)
        site.start_pool("old")
    site.check()


@pytest.mark.fault("version skew")
def test_jobs_that_no_worker_knows_yet_wait_for_the_release_that_does(site: Site) -> None:
    site.start_pool("old", FAULTS_IS_OLD_RELEASE="1")
    site.start(pools=0)
    with site.fault():
        insert(site, "linger", 20, 0.001)
        site.rest(site.load_seconds)
        site.pools.pop("old").stop(STOP_SECONDS)
        site.start_pool("new")
    site.check()
