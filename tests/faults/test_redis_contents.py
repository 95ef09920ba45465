"""Redis whose memory is full, or in which others write what they like."""

import pytest

from tests.faults import harm_redis, notice
from tests.faults.conftest import Sites
from tests.faults.site import Site


@pytest.mark.fault("maxmemory without eviction")
@pytest.mark.on_sqlite
def test_a_full_redis_that_refuses_to_write_loses_no_job(site: Site) -> None:
    notice.suffer(site, lambda: harm_redis.be_full(site, site.load_seconds))


@pytest.mark.fault("maxmemory with eviction")
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_a_full_redis_that_forgets_our_keys_loses_no_job(make_site: Sites, policy: str) -> None:
    site = make_site()
    notice.suffer(site, lambda: harm_redis.evict(site, policy, site.load_seconds))


@pytest.mark.fault("wrong types and garbage under our keys")
@pytest.mark.on_sqlite
def test_garbage_under_our_keys_stops_nobody(site: Site) -> None:
    notice.suffer(site, lambda: harm_redis.put_garbage(site, site.load_seconds))


@pytest.mark.fault("scripts flushed")
@pytest.mark.on_sqlite
def test_scripts_that_are_flushed_each_second_are_not_missed(site: Site) -> None:
    notice.suffer(site, lambda: harm_redis.flush_scripts(site, site.load_seconds))
