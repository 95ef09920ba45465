"""The figures of the overview."""

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboards import figures, recent, snapshot, words
from jobs.histograms import quantile
from jobs.lifecycle import operate
from jobs.models import Statistic, Worker
from tests.factories import make_job
from tests.support import eventually

ADD = "tests.tasks.add"


@pytest.mark.fast
def test_the_rate_weighs_the_former_minute_by_its_share_of_the_last_sixty_seconds() -> None:
    now = datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)
    last = recent.Recent()
    last.add(now.replace(second=0), {"state_succeeded": 10}, None)
    last.add(now.replace(second=0) - timedelta(minutes=1), {"state_succeeded": 40, "state_dead": 4}, None)
    assert last.per_minute(now) == 10 + 0.75 * 44
    assert last.bars(now) == [0, 0, 0, 0, 44, 10]


@pytest.mark.fast
def test_figures_are_said_in_few_words() -> None:
    assert [words.duration(seconds) for seconds in (0.0042, 1.84, 38.2, 119.7, 720, 7200, 200_000)] == [
        "4 ms", "1.8 s", "38 s", "2 min", "12 min", "2 h", "2 d",
    ]  # fmt: skip
    assert [words.short_number(count) for count in (940, 1204, 12_600, 3_100_000)] == ["940", "1.2k", "13k", "3.1M"]
    assert words.short_number(10_000, 10_000) == "10k+"
    assert [words.share(part, 1000) for part in (0, 4, 120)] == ["0%", "0.4%", "12%"]
    assert (words.share(0, 0), words.capped(10_001, 10_000)) == (words.NOTHING, "10,000+")


@pytest.mark.fast
def test_distances_from_now_are_said_without_tenths() -> None:
    now = datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)
    steps = [timedelta(seconds=seconds) for seconds in (0.4, 5.2, 90, 7000)]
    assert [words.ago(now - step, now) for step in steps] == ["just now", "5 s ago", "90 s ago", "117 min ago"]
    assert [words.ahead(now + step, now) for step in steps] == ["now", "in 5 s", "in 90 s", "in 117 min"]
    assert words.ahead(now - steps[1], now) == "5 s overdue"
    assert words.ago(None, now) == words.ahead(None, now) == words.NOTHING


@pytest.mark.fast
def test_a_quantile_lies_on_a_straight_line_within_its_bucket() -> None:
    half = [0.0, [0] * 5 + [50, 50] + [0] * 9]  # 50 up to 250 ms, 50 up to 500 ms
    assert quantile(half, 0.5) == pytest.approx(0.25)
    assert quantile(half, 0.95) == pytest.approx(0.475)
    assert quantile([0.0, [0] * 15 + [3]], 0.5) == 1800
    assert quantile(None, 0.5) is quantile([0.0, [0] * 16], 0.5) is None


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_unfinished_jobs_are_counted_by_queue_and_state() -> None:
    for state in ("queued", "queued", "scheduled", "running", "retrying", "succeeded", "cancelled"):
        make_job(state, task=ADD, args=[1], queue="mail")
    make_job("queued", task=ADD, args=[1], queue="bulk")
    operate.pause_queue("bulk", actor="ann", reason="provider down")

    taken = snapshot.take()

    assert {name: taken["totals"][name] for name in ("queued", "running", "scheduled", "retrying")} == {
        "queued": 3,
        "running": 1,
        "scheduled": 1,
        "retrying": 1,
    }
    bulk, mail = [queue for queue in taken["queues"] if queue["name"] in ("bulk", "mail")]
    assert (mail["queued"], mail["running"], mail["is_paused"]) == (2, 1, False)
    assert mail["oldest_due_at"] <= taken["at"]
    assert (bulk["queued"], bulk["is_paused"]) == (1, True)


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_dead_letters_come_with_the_exception_of_their_last_attempt() -> None:
    dead = make_job("dead", task=ADD, args=[1])
    (letter,) = figures.latest_dead(8)
    assert (letter["id"], letter["exception_class"], letter["message"]) == (dead.id, "ValueError", "made dead")


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_a_flood_of_dead_letters_is_counted_up_to_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "CAP", 3)
    for _ in range(5):
        make_job("dead", task=ADD, args=[1])
    totals = snapshot.take()["totals"]
    assert (totals["dead"], totals["is_dead_capped"]) == (3, True)


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_folded_and_raw_statistics_add_up_to_the_last_minutes() -> None:
    minute_at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=2)
    counts = {"state_succeeded": 2, "success": 2, "error": 1}
    for period in ("raw", "raw", "minute", "hour"):
        Statistic.objects.create(period=period, minute_at=minute_at, queue="q", task=ADD, counts=counts)
    found = recent.read(timezone.now())
    assert found["q"].count(("state_succeeded",)) == found[""].count(("state_succeeded",)) == 6
    assert snapshot.take()["totals"]["finished_failed_share"] == pytest.approx(1 / 3, abs=0.001)


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_a_worker_that_stopped_beating_is_called_silent() -> None:
    for name, age in {"fresh": 0, "stale": 3600}.items():
        beat_at = timezone.now() - timedelta(seconds=age)
        Worker.objects.create(id=name, pool="p", node="n", host="h", pid=1, heartbeat_at=beat_at)
    taken = snapshot.take()
    assert taken["health"]["workers"] == {"count": 2, "is_capped": False, "silent_count": 1}
    assert taken["strip"]["workers"] == ["warning", "1/2"]


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_a_snapshot_is_shared_for_a_second() -> None:
    first = snapshot.current(max_age_seconds=60)
    make_job("queued", task=ADD, args=[1])
    assert snapshot.current(max_age_seconds=60) is first
    snapshot.forget()
    assert json.loads(snapshot.current(max_age_seconds=60))["totals"]["queued"] == 1


def test_a_snapshot_that_took_long_is_shared_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def slowly() -> dict[str, int]:
        time.sleep(0.05)
        taken.append(1)
        return {"number": len(taken)}

    monkeypatch.setattr(snapshot, "take", slowly)
    first = snapshot.current(max_age_seconds=0)
    assert snapshot.current(max_age_seconds=0) == first
    eventually(lambda: snapshot.current(max_age_seconds=0) != first, 5)
    assert len(taken) == 2


@pytest.mark.django_db
def test_no_count_scans_the_table_of_jobs() -> None:
    with CaptureQueriesContext(connection) as captured:
        figures.unfinished_counts()
        figures.job_counts()
        figures.dead_count()
        figures.latest_dead(8)
    for query in captured.captured_queries:
        plan = explain(query["sql"])
        assert "jobs_job_" in plan, plan
        assert "Seq Scan on jobs_job" not in plan
        assert not re.search(r"SCAN jobs_job(?! USING)", plan), plan


def explain(statement: str) -> str:
    """Return the plan of a statement; PostgreSQL is told not to prefer a scan because the table is small."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {statement}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
