"""Worker processes that are killed and frozen."""

import os
import signal

import pytest

from tests.faults.site import Site
from tests.support import eventually, is_alive

FREEZE_SECONDS = 25
"""Longer than others wait for a sign of life (15 seconds), with a reconciler's interval on top."""


@pytest.mark.fault("kill -9 of a worker")
@pytest.mark.on_sqlite
def test_workers_killed_each_second_lose_nothing(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        for _ in site.each(1.0):
            site.kill_a_worker()
    assert site.check().run_twice > 0


@pytest.mark.fault("kill -9 of a pool parent")
@pytest.mark.on_sqlite
def test_workers_whose_parent_is_killed_end_and_lose_nothing(site: Site) -> None:
    site.start(pools=2)
    orphans: list[int] = []
    with site.fault():
        for _ in site.each(2.5):
            orphans += site.worker_pids()
            site.kill_a_parent()
    own = site.worker_pids()
    eventually(lambda: not any(is_alive(pid) for pid in set(orphans) - set(own)), 15, "orphans go on")
    site.check()


@pytest.mark.fault("kill -9 of a whole pool")
@pytest.mark.on_sqlite
def test_pools_killed_with_their_workers_lose_nothing(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        for _ in site.each(4.0):
            site.kill_a_pool()
    report = site.check()
    assert report.detection_seconds is not None


@pytest.mark.slow
@pytest.mark.fault("freeze beyond the time-out, then thaw")
def test_a_pool_frozen_beyond_the_time_out_overwrites_nothing_when_it_thaws(site: Site) -> None:
    site.start(pools=3)
    victims = site.worker_pids("a")
    with site.fault():
        site.signal_pool("a", signal.SIGSTOP)
        site.rest(FREEZE_SECONDS)
        states = dict(site.ledger.query("SELECT pid, state FROM jobs_worker"))
        assert {states[pid] for pid in victims} == {"lost"}
        site.signal_pool("a", signal.SIGCONT)
    eventually(lambda: not any(is_alive(pid) for pid in victims), 15, "workers that were given up go on")
    site.rest(site.load_seconds)
    site.check()


@pytest.mark.fault("freeze beyond the time-out, then thaw")
def test_a_worker_frozen_for_a_moment_again_and_again_is_not_given_up(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        for _ in site.each(1.0):
            pid = site.random.choice(site.worker_pids())
            os.kill(pid, signal.SIGSTOP)
            site.rest(0.7)
            os.kill(pid, signal.SIGCONT)
    site.check()
    assert site.ledger.query("SELECT count(*) FROM jobs_worker WHERE state = 'lost'") == [(0,)]
