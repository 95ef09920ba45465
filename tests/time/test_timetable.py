"""When schedules fire: properties, and the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import InvalidJob
from jobs.timetable import check_timing, next_cron, next_firing, next_interval

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut",
    "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia",
]  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(0, 22 * 365 * 86400).map(lambda s: datetime(2008, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    listed = st.lists(value, min_size=1, max_size=3, unique=True).map(lambda items: ",".join(map(str, items)))
    return st.one_of(st.just("*"), value.map(str), listed, st.integers(1, high).map("*/{}".format))


crons = st.builds(
    "{} {} {} {} {}".format,
    numbers(0, 59), numbers(0, 23), st.one_of(st.just("*"), numbers(1, 28)), numbers(1, 12),
    st.one_of(st.just("*"), st.sampled_from(["MON", "MON-FRI", "0", "6"])),
)  # fmt: skip


@given(crons, st.sampled_from(ZONES), moments)
def test_the_next_firing_is_later_and_firings_rise(cron: str, zone: str, after: datetime) -> None:
    first = next_cron(cron, zone, after)
    second = next_cron(cron, zone, first)
    assert after < first < second
    assert first.tzinfo is UTC


@given(crons, st.sampled_from(ZONES), moments, st.floats(0, 1))
def test_no_firing_lies_between_a_moment_and_its_next(cron: str, zone: str, after: datetime, share: float) -> None:
    first = next_cron(cron, zone, after)
    between = after + (first - after) * share
    if between < first:
        assert next_cron(cron, zone, between) == first


@given(st.integers(1, 10**7), moments, moments)
def test_intervals_keep_to_the_grid_of_their_anchor(every: int, anchor: datetime, after: datetime) -> None:
    found = next_interval(every, anchor, after)
    step = timedelta(seconds=every)
    assert found > after
    assert found != anchor
    assert (found - anchor) % step == timedelta(0)
    assert found - step <= after or found - step == anchor


def test_an_interval_does_not_wait_for_a_clock_that_was_put_back() -> None:
    assert next_interval(60, EPOCH + timedelta(hours=1), EPOCH) == EPOCH + timedelta(seconds=60)


@given(st.integers(1, 86400), st.lists(st.floats(0, 900), min_size=1, max_size=30))
def test_late_firings_do_not_shift_the_later_ones(every: int, delays: list[float]) -> None:
    planned = EPOCH + timedelta(seconds=every)
    for delay in delays:
        planned = next_firing("", every, "UTC", anchor=planned, after=planned + timedelta(seconds=delay))
    assert (planned - EPOCH) % timedelta(seconds=every) == timedelta(0)


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=8)
@given(year=st.integers(2012, 2029), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_daily_time_fires_once_on_every_day_of_the_year(zone: str, year: int, hour: int, minute: int) -> None:
    # from 2012: Pacific/Apia jumped over the whole of 30 December 2011
    moment = datetime(year, 1, 1, tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)
    end = datetime(year + 1, 1, 1, tzinfo=ZoneInfo(zone))
    days = []
    while (moment := next_cron(f"{minute} {hour} * * *", zone, moment)) < end:
        days.append(moment.astimezone(ZoneInfo(zone)).date())
    assert len(days) == len(set(days))
    assert 365 <= len(days) <= 366


def berlin(*parts: int, fold: int = 0) -> datetime:
    # in UTC, because Python finds times of different zones unequal while a clock is being set back
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)  # type: ignore[misc,arg-type]


@pytest.mark.fast
def test_a_time_that_the_clock_skips_fires_right_after_the_gap() -> None:
    assert next_cron("30 2 * * *", "Europe/Berlin", berlin(2025, 3, 30)) == berlin(2025, 3, 30, 3, 0)


@pytest.mark.fast
def test_a_time_that_the_clock_shows_twice_fires_once() -> None:
    first = next_cron("30 2 * * *", "Europe/Berlin", berlin(2025, 10, 26))
    assert first == berlin(2025, 10, 26, 2, 30)
    assert next_cron("30 2 * * *", "Europe/Berlin", first) == berlin(2025, 10, 27, 2, 30)


@pytest.mark.fast
def test_in_the_second_showing_of_an_hour_nothing_from_the_past_fires() -> None:
    after = berlin(2025, 10, 26, 2, 10, fold=1)
    assert next_cron("50 2 * * *", "Europe/Berlin", after) == berlin(2025, 10, 27, 2, 50)


@pytest.mark.fast
def test_every_half_hour_goes_on_through_both_changes() -> None:
    for moment in (berlin(2025, 3, 30), berlin(2025, 10, 26)):
        for _ in range(12):
            following = next_cron("*/30 * * * *", "Europe/Berlin", moment)
            assert following - moment == timedelta(minutes=30)
            moment = following


@pytest.mark.fast
@pytest.mark.parametrize(
    ("cron", "every", "zone", "field"),
    [
        ("* * * *", None, "UTC", "cron"),
        ("61 * * * *", None, "UTC", "cron"),
        ("@daily", None, "UTC", "cron"),
        ("0 0 30 2 *", None, "UTC", "cron"),
        ("* * * * * *", None, "UTC", "cron"),
        ("*" * 200, None, "UTC", "cron"),
        (None, None, "UTC", "cron"),
        ("", None, "UTC", "cron, every_seconds"),
        ("* * * * *", 5, "UTC", "cron, every_seconds"),
        ("", 0, "UTC", "every_seconds"),
        ("", -5, "UTC", "every_seconds"),
        ("", 1.5, "UTC", "every_seconds"),
        ("", True, "UTC", "every_seconds"),
        ("", 10**9, "UTC", "every_seconds"),
        ("* * * * *", None, "Mars/Base", "timezone"),
        ("* * * * *", None, "Europe", "timezone"),
        ("* * * * *", None, "../etc/passwd", "timezone"),
        ("* * * * *", None, "", "timezone"),
        ("* * * * *", None, ["UTC"], "timezone"),
    ],
)
def test_bad_timing_names_the_column_and_the_remedy(cron: str, every: int, zone: str, field: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        check_timing(cron, every, zone)
    assert caught.value.field == field
    assert caught.value.remedy
