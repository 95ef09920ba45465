"""Redis that is gone, frozen, emptied, or not there yet."""

import sys
import urllib.request

import pytest

from tests.faults import harm_redis, notice
from tests.faults.conftest import Sites
from tests.faults.site import RATE, Site
from tests.support import Running, eventually, free_port

FULL_LENGTH_SECONDS = 30
"""Faults of a length of their own take it only where the others take this long."""


@pytest.mark.fault("shutdown without saving")
@pytest.mark.on_sqlite
def test_a_redis_that_is_killed_and_comes_back_empty_loses_no_job(site: Site) -> None:
    site.start(pools=2)
    with notice.harm(site) as strikes:
        for _ in site.each(3.0):
            strikes.append(harm_redis.be_shut_down(site, seconds=1.5))
    notice.check(site)


@pytest.mark.fault("FLUSHALL again and again")
@pytest.mark.on_sqlite
def test_a_redis_that_is_emptied_again_and_again_loses_no_job(site: Site) -> None:
    notice.suffer(site, lambda: harm_redis.be_flushed(site, site.load_seconds))


@pytest.mark.fault("freeze of 6 seconds")
@pytest.mark.on_sqlite
def test_work_goes_on_while_redis_is_frozen_for_6_seconds(site: Site) -> None:
    freeze(site, 6)


@pytest.mark.slow
@pytest.mark.fault("freeze of 30 seconds")
def test_work_goes_on_while_redis_is_frozen_for_30_seconds(site: Site) -> None:
    freeze(site, 30)


@pytest.mark.slow
@pytest.mark.fault("freeze of 120 seconds")
def test_work_goes_on_while_redis_is_frozen_for_120_seconds(site: Site) -> None:
    freeze(site, 120)


def freeze(site: Site, seconds: float) -> None:
    """Freeze Redis under load; the load has to go on."""
    notice.suffer(site, lambda: harm_redis.freeze(site, seconds))
    notice.assert_work_went_on(site)


@pytest.mark.fault("connections killed each second")
@pytest.mark.on_sqlite
def test_connections_killed_each_second_lose_no_job(site: Site) -> None:
    notice.suffer(site, lambda: harm_redis.kill_connections(site, site.load_seconds))


@pytest.mark.fault("down at boot")
@pytest.mark.on_sqlite
def test_all_start_and_work_without_a_redis_that_comes_later(site: Site) -> None:
    site.broker.stop()
    with notice.harm(site) as strikes:
        web = start_web(site)
        site.start(pools=2)
        site.rest(site.load_seconds)
        strikes.append(site.journal.run_count())
        site.broker.start()
    with site.broker.client() as client:
        eventually(lambda: client.smembers("rq:workers"), 30, "the workers do not find Redis")
    assert_answers(web)
    notice.check(site)
    notice.assert_work_went_on(site)


def start_web(site: Site) -> str:
    """Run the web server, wait until it answers, and return its address."""
    port = str(free_port())
    server: Running = site.processes.start(
        sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port
    )
    server.wait_for("running on", 60)
    assert_answers(f"http://127.0.0.1:{port}")
    return f"http://127.0.0.1:{port}"


def assert_answers(web: str) -> None:
    """Check that a web server is alive."""
    with urllib.request.urlopen(f"{web}/healthz", timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.slow
@pytest.mark.fault("down for 10 minutes")
def test_work_goes_on_while_redis_is_down_for_10_minutes(site: Site) -> None:
    site.start(pools=2)
    is_full = site.load_seconds >= FULL_LENGTH_SECONDS
    with notice.harm(site) as strikes:
        strikes.append(harm_redis.be_shut_down(site, 600 if is_full else 4 * site.load_seconds))
    notice.check(site)
    notice.assert_work_went_on(site)


@pytest.mark.fault("password rotated")
def test_a_new_password_reaches_all_while_the_load_runs(make_site: Sites) -> None:
    site = make_site(broker={"requirepass": "first"})
    site.start(pools=2, schedulers=2, rate=RATE / 2)
    with notice.harm(site) as strikes, site.broker.client() as client:
        client.execute_command("ACL", "SETUSER", "default", ">second")
        site.broker.options["requirepass"] = "second"
        site.processes.environment |= site.environment()
        late = site.produce(RATE / 2)
        for node, running in {**site.schedulers, **site.pools}.items():
            running.stop(45)
            site.revive()
            site.rest(1.0)
            assert {**site.schedulers, **site.pools}[node].is_running
        client.execute_command("ACL", "SETUSER", "default", "<first")
        strikes.append(int(client.client_kill_filter(_type="normal", skipme=True)))
        site.rest(site.load_seconds)
        strikes.append(int(client.info("errorstats").get("errorstat_WRONGPASS", {}).get("count", 0)))
    assert "not published" in site.producers[0].output or "wait in the ledger" in site.producers[0].output
    assert "wait in the ledger" not in late.output
    notice.check(site)
