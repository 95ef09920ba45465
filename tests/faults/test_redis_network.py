"""Redis behind a network that loses replies, swallows everything, or is merely bad."""

import pytest

from tests.faults import harm_redis, notice
from tests.faults.conftest import Sites
from tests.faults.producer_log import ACKNOWLEDGED
from tests.faults.site import BEFORE_SECONDS, RATE, START_SECONDS
from tests.support import eventually

PUBLISH, POP, POPPED, FORGET = rb"RPUSH", rb"LMPOP", rb"^\*2", rb"DEL\r\n\$\d+\r\nrq:job:"
PRODUCERS = 6


@pytest.mark.fault("reply cut on enqueue")
def test_a_reply_lost_when_messages_are_sent_doubles_nothing(make_site: Sites) -> None:
    site = make_site(is_proxied=True)
    notice.suffer(site, lambda: harm_redis.cut_replies(site, site.load_seconds, PUBLISH, every=10))


@pytest.mark.fault("reply cut on receive")
def test_messages_lost_on_their_way_to_a_worker_lose_no_job(make_site: Sites) -> None:
    site = make_site(is_proxied=True)
    notice.suffer(site, lambda: harm_redis.cut_replies(site, site.load_seconds, POP, reply=POPPED, every=10))


@pytest.mark.fault("reply cut on acknowledge")
def test_an_acknowledgement_without_an_answer_runs_nothing_twice(make_site: Sites) -> None:
    site = make_site(is_proxied=True)
    assert notice.suffer(site, lambda: harm_redis.cut_replies(site, site.load_seconds, FORGET, every=10)).run_twice == 0


@pytest.mark.fault("black hole")
def test_a_black_hole_in_place_of_redis_stops_nobody(make_site: Sites) -> None:
    site = make_site(is_proxied=True)
    assert notice.suffer(site, lambda: harm_redis.be_a_black_hole(site, max(site.load_seconds, 10))).run_twice == 0
    notice.assert_work_went_on(site)


@pytest.mark.slow
@pytest.mark.fault("latency and packet loss")
def test_a_bad_line_to_redis_costs_time_only(make_site: Sites) -> None:
    site = make_site(is_proxied=True)
    site.start(pools=2, rate=RATE / PRODUCERS)
    for _ in range(1, PRODUCERS):  # each waits for its answers, so that only several together are a load
        site.produce(RATE / PRODUCERS)

    def names() -> set[str]:
        return {line.key.split("-")[1] for line in site.log.lines(ACKNOWLEDGED)}

    eventually(lambda: len(names()) == PRODUCERS, START_SECONDS, "not all producers run")
    site.rest(BEFORE_SECONDS)
    with notice.harm(site) as strikes:
        strikes.append(harm_redis.be_far_away(site, site.load_seconds))
    notice.check(site)
