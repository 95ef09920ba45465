"""The figures of the overview."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboards import figures, snapshot
from jobs.lifecycle import operate
from jobs.models import Statistic, Worker
from tests.factories import make_job

ADD = "tests.tasks.add"


@pytest.mark.fast
def test_the_rate_weighs_the_former_minute_by_its_share_of_the_last_sixty_seconds() -> None:
    now = datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)
    this, former = now.replace(second=0), now.replace(second=0) - timedelta(minutes=1)
    minutes = {this: {"state_succeeded": 10}, former: {"state_succeeded": 40, "state_dead": 4}}
    assert figures.per_minute(minutes, now, ["state_succeeded", "state_dead"]) == 10 + 0.75 * 44


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
    assert (mail["queued"], mail["running"], mail["paused_at"]) == (2, 1, None)
    assert mail["oldest_seconds"] >= 0
    assert (bulk["queued"], bulk["paused_by"], bulk["paused_reason"]) == (1, "ann", "provider down")


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_dead_letters_come_with_the_exception_of_their_last_attempt() -> None:
    dead = make_job("dead", task=ADD, args=[1])
    (letter,) = snapshot.take()["dead_letters"]
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
def test_folded_and_raw_statistics_add_up_to_the_throughput() -> None:
    minute_at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    for period in ("raw", "raw", "minute"):
        Statistic.objects.create(
            period=period, minute_at=minute_at, queue="q", task=ADD, counts={"state_succeeded": 2, "retried": 1}
        )
    throughput = snapshot.take()["throughput"]
    assert len(throughput) == snapshot.HISTORY_MINUTES
    (busy,) = [minute for minute in throughput if minute["succeeded"]]
    assert (busy["at"], busy["succeeded"], busy["retried"], busy["dead"]) == (minute_at, 6, 3, 0)


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_a_worker_that_stopped_beating_is_called_silent() -> None:
    for name, age in {"fresh": 0, "stale": 3600}.items():
        beat_at = timezone.now() - timedelta(seconds=age)
        Worker.objects.create(id=name, pool="p", node="n", host="h", pid=1, heartbeat_at=beat_at)
    taken = snapshot.take()
    assert taken["health"]["workers"] == {"count": 2, "is_capped": False, "silent_count": 1}
    assert {worker["id"]: worker["is_silent"] for worker in taken["workers"]} == {"fresh": False, "stale": True}


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_a_snapshot_is_shared_for_a_second() -> None:
    first = snapshot.current(max_age_seconds=60)
    make_job("queued", task=ADD, args=[1])
    assert snapshot.current(max_age_seconds=60) is first
    assert json.loads(snapshot.current(max_age_seconds=-1))["totals"]["queued"] == 1


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
