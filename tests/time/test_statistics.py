"""Statistics: folding loses and doubles nothing, and no counter ever goes down."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import OperationalError, connections
from hypothesis import given
from hypothesis import strategies as st

from jobs.histograms import add_histogram, histogram
from jobs.models import Statistic
from jobs.models.statistic import BUCKET_BOUNDS
from jobs.statistics import Figures, delete_old, fold, series, totals
from tests.conftest import LiveDatabase
from tests.time.conftest import ago

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def append(count: int = 1, minute: int = 0, queue: str = "q", task: str = "t", wait: Iterable[float] = ()) -> None:
    Statistic.objects.create(
        minute_at=NOON + timedelta(minutes=minute), queue=queue, task=task,
        counts={"success": count}, histograms={"wait": histogram(wait)},
    )  # fmt: skip


def counted(found: dict[datetime, Figures]) -> dict[datetime, int]:
    return {at: figures.counts["success"] for at, figures in found.items()}


@given(st.lists(st.floats(-1, 10_000)), st.lists(st.floats(0, 10_000)))
def test_the_histogram_of_two_lists_is_the_sum_of_theirs(left: list[float], right: list[float]) -> None:
    sums = {"x": histogram(left)}
    add_histogram(sums, "x", histogram(right))
    whole = histogram(left + right)
    assert sums["x"][1] == whole[1]
    assert sums["x"][0] == pytest.approx(whole[0], abs=1e-4)
    assert sum(whole[1]) == len(left) + len(right)


@pytest.mark.fast
def test_a_value_on_a_bound_belongs_below_it() -> None:
    _, buckets = histogram([BUCKET_BOUNDS[0], BUCKET_BOUNDS[-1], BUCKET_BOUNDS[-1] + 1])
    assert (buckets[0], buckets[-2], buckets[-1]) == (1, 1, 1)


@pytest.mark.django_db
def test_folding_makes_rows_of_minutes_hours_and_totals() -> None:
    for minute in (0, 0, 1):
        append(2, minute, wait=[0.001, 40])
    append(5, queue="other")
    assert fold() == 4
    assert fold() == 0
    rows = {(row.period, row.minute_at.minute, row.queue): row for row in Statistic.objects.all()}
    assert {key: row.counts["success"] for key, row in rows.items()} == {
        ("minute", 0, "q"): 4, ("minute", 1, "q"): 2, ("minute", 0, "other"): 5,
        ("hour", 0, "q"): 6, ("hour", 0, "other"): 5,
        ("all_min", 0, ""): 9, ("all_min", 1, ""): 2, ("all_hour", 0, ""): 11,
        ("total", 0, "q"): 6, ("total", 0, "other"): 5,
    }  # fmt: skip
    assert rows["total", 0, "q"].histograms["wait"][0] == pytest.approx(120.003)
    assert sum(rows["total", 0, "q"].histograms["wait"][1]) == 6


@pytest.mark.django_db
def test_folding_again_adds_to_what_is_there() -> None:
    for _ in range(3):
        append(1)
        append(1, task="u")
        fold()
    assert {key: figures.counts["success"] for key, figures in totals().items()} == {
        ("q", "t"): 3,
        ("q", "u"): 3,
    }
    assert Statistic.objects.filter(period="all_min").get().counts == {"success": 6}
    assert Statistic.objects.count() == 2 * 3 + 2, "a minute, an hour and a total each; the site's minute and hour"


@pytest.mark.django_db
def test_totals_and_series_count_rows_that_are_not_folded() -> None:
    append(1)
    fold()
    append(2)
    append(4, minute=1)
    assert totals()["q", "t"].counts == {"success": 7}
    after = NOON + timedelta(minutes=1)
    assert counted(series(NOON)) == {NOON: 3, after: 4}
    assert counted(series(after)) == {after: 4}
    assert counted(series(NOON, queue="q")) == counted(series(NOON, task="t")) == {NOON: 3, after: 4}
    assert counted(series(NOON + timedelta(minutes=30), is_hourly=True)) == {NOON: 7}, "the hour that has begun"
    assert counted(series(NOON, queue="q", task="t", is_hourly=True)) == {NOON: 7}
    assert series(NOON, queue="other") == series(NOON, task="other") == {}


@pytest.mark.django_db
def test_a_fold_takes_few_statements(django_assert_max_num_queries: Any) -> None:
    for _ in range(50):
        append(1)
    with django_assert_max_num_queries(10):
        assert fold() == 50


def test_counters_never_go_down_while_others_append_and_fold(live_database: LiveDatabase) -> None:
    appended: Counter[str] = Counter()
    stop = Event()
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(40):
                append(1, queue=name)
                append(1, queue="shared")
                appended.update([name])
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    def fold_on() -> None:
        try:
            while not stop.is_set():
                with suppress(OperationalError):  # it waited a second for another fold's rows: the next one takes them
                    fold(limit=7)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    appenders = [Thread(target=work, args=(f"q{number}",)) for number in range(2)]
    folders = [Thread(target=fold_on) for _ in range(2)]
    for thread in [*appenders, *folders]:
        thread.start()
    last = 0
    while any(thread.is_alive() for thread in appenders):
        seen = sum(figures.counts["success"] for figures in totals().values())
        assert seen >= last
        last = seen
    stop.set()
    for thread in [*appenders, *folders]:
        thread.join()
    assert not errors
    while fold():
        pass
    found = {queue: figures.counts["success"] for (queue, _), figures in totals().items()}
    assert found == {"q0": 40, "q1": 40, "shared": 80}


@pytest.mark.django_db
def test_old_minutes_and_hours_are_deleted_and_totals_stay() -> None:
    Statistic.objects.create(minute_at=ago(0), queue="q", task="t", counts={"success": 1})
    Statistic.objects.create(minute_at=ago(40 * 86400), queue="q", task="t", counts={"success": 2})
    fold()
    assert delete_old() == 4, "a minute and an hour of the task and of the site"
    assert totals()["q", "t"].counts == {"success": 3}
    assert Statistic.objects.filter(period="minute").count() == 1
