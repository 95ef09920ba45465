"""Jobs that harm their worker: beside them, the load goes on, and each ends as a dead letter that says why."""

import resource

import psutil
import pytest

from tests.faults.memory import NoLimitError, limited
from tests.faults.rows import history, insert
from tests.faults.site import Site
from tests.support import eventually

DEAD = frozenset({"dead"})
LOSSES = 3
"""Losses suffered alone after which a job is declared dead."""


def message(site: Site, key: str) -> str:
    """Return what the last attempt of a job says."""
    job_ids = f"SELECT id FROM jobs_job WHERE {site.ledger.key} = %s"
    query = f"SELECT message FROM jobs_attempt WHERE job_id IN ({job_ids}) ORDER BY number DESC LIMIT 1"
    return str(site.ledger.query(query, key)[0][0])


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("poison", marks=pytest.mark.fault("poison pill")),
        pytest.param("exit_with_zero", marks=pytest.mark.fault("os._exit(0) and segmentation fault in a job")),
        pytest.param("segfault", marks=pytest.mark.fault("os._exit(0) and segmentation fault in a job")),
    ],
)
def test_a_job_that_ends_its_worker_ends_dead_and_takes_no_other_with_it(site: Site, kind: str) -> None:
    site.start(pools=2)
    keys = []
    with site.fault():
        for _ in site.each(2.0):
            keys += insert(site, kind)
        site.rest(5)
    site.check(ends={kind: DEAD})
    for key in keys:
        outcomes = history(site, key)
        assert set(outcomes) == {"lost"}
        assert LOSSES <= len(outcomes) <= LOSSES + 1, "the first loss may have been suffered in company"


@pytest.mark.on_sqlite
@pytest.mark.fault("C code that holds the interpreter")
def test_a_loop_in_c_is_killed_at_its_hard_limit(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        (key,) = insert(site, "spin")
        eventually(lambda: history(site, key), 30, "the loop was not killed")
    site.check(ends={"spin": DEAD})
    assert history(site, key) == ["timeout"]
    assert "hard limit" in message(site, key)


@pytest.mark.on_sqlite
@pytest.mark.fault("time-out swallowed by the job")
def test_a_job_that_swallows_its_time_out_is_killed_at_its_hard_limit(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        (key,) = insert(site, "swallow", 1, 60)
        eventually(lambda: history(site, key), 30, "the job was not killed")
    site.check(ends={"swallow": DEAD})
    assert history(site, key) == ["timeout"]


@pytest.mark.fault("out of memory")
def test_a_worker_that_the_kernel_kills_for_its_memory_loses_nothing(site: Site) -> None:
    site.start(pools=2)
    pool = site.start_pool("m", "hogs")
    site.await_workers(3)
    try:
        with limited(pool.pid, 200), site.fault():
            # Only processes forked from now on are counted: the worker of today has its memory elsewhere.
            old = site.worker_pids("m")
            site.kill(old[0])
            eventually(lambda: set(site.worker_pids("m")) - set(old), 30, "no worker follows")
            (key,) = insert(site, "hog", 1, 1000, queue="hogs")
            eventually(lambda: len(history(site, key)) >= LOSSES, 60, f"it goes on: {pool.output}")
    except NoLimitError as error:
        pytest.skip(f"{error}; the limit of the address space is tested below")
    site.check(ends={"hog": DEAD})
    assert history(site, key) == ["lost"] * LOSSES


@pytest.mark.fault("out of memory")
def test_a_job_that_reaches_the_limit_of_its_address_space_fails_and_its_worker_goes_on(site: Site) -> None:
    site.start(pools=2)
    pool = site.start_pool("m", "hogs")
    site.await_workers(3)
    (worker,) = site.worker_pids("m")
    limit = psutil.Process(worker).memory_info().vms + (64 << 20)
    with site.fault():
        resource.prlimit(worker, resource.RLIMIT_AS, (limit, limit))
        (key,) = insert(site, "hog", 1, 1000, queue="hogs", max_attempts=2)
        eventually(lambda: len(history(site, key)) == 2, 30, f"it goes on: {pool.output}")
    assert site.worker_pids("m") == [worker]
    site.check(ends={"hog": DEAD})
    assert history(site, key) == ["error", "error"]
    assert "MemoryError" in str(site.ledger.query("SELECT exception_class FROM jobs_attempt WHERE queue = 'hogs'"))


@pytest.mark.on_sqlite
@pytest.mark.fault("grandchild left behind")
def test_programs_that_outlive_their_jobs_hold_nothing_up(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        for _ in site.each(1.0):
            insert(site, "leave_a_child", 1, 6)
            site.kill_a_worker()
    site.check()


@pytest.mark.fault("grandchild left behind")
def test_a_fork_that_outlives_its_worker_keeps_no_job_and_no_lock(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        for _ in site.each(1.0):
            insert(site, "fork_and_die", 1, 15)
    site.check()
