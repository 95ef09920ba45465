"""A claim and a settlement find their rows by primary key, whatever the planner believes about the ledger."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from jobs import lifecycle
from jobs.lifecycle import due
from jobs.models import Job
from jobs.runs import Run
from tests.factories import WORKER, ended, make_worker
from tests.tasks import add

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def worker() -> None:
    make_worker()


def enqueue(count: int) -> list[UUID]:
    return [job.id for job in Job.objects.enqueue_many(add, [(index,) for index in range(count)])]


def plan_of(act: Callable[[], Any]) -> str:
    """Return how PostgreSQL carries out what `act` sends."""
    plans: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with context["connection"].connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}", params)
            plans.extend(line for (line,) in cursor.fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        act()
    return "\n".join(plans)


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")


def rows_read(act: Callable[[], Any]) -> int:
    """Return how many rows of jobs PostgreSQL looks at for what `act` sends."""

    def so_far() -> int:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs_job'"
        )
        return int(cursor.fetchone()[0])

    with transaction.atomic(), connection.cursor() as cursor:
        before = so_far()
        act()
        return so_far() - before


def claim(ids: list[UUID]) -> list[Run]:
    return lifecycle.claim(ids, worker=WORKER)


def test_statistics_from_before_a_burst_do_not_make_claims_walk_the_backlog() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite keeps no statistics of its own accord
    claim(enqueue(2000))  # hardly any row is queued now, and so the statistics will say
    analyze()
    fresh = enqueue(3000)
    plan = plan_of(lambda: claim(fresh[:100]))
    assert "jobs_job_pkey" in plan
    assert "jobs_job_queued" not in plan


def test_without_statistics_neither_claims_nor_settlements_read_the_whole_ledger() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite keeps no statistics of its own accord
    ids = enqueue(5000)
    runs: list[Run] = []
    plan = plan_of(lambda: runs.extend(claim(ids[:100])))
    plan += plan_of(lambda: lifecycle.settle([ended(run) for run in runs]))
    assert "Seq Scan on jobs_job " not in plan
    assert "jobs_job_running" not in plan, "its entries of jobs that ended are many until it is vacuumed"


@pytest.mark.parametrize(
    ("act", "index"),
    [
        (lifecycle.waiting_queues, "jobs_job_to_publish"),
        (due.promote_due, "jobs_job_later"),
        (due.expire, "jobs_job_expiring"),
    ],
)
def test_sqlite_finds_what_waits_and_what_is_due_by_its_index(act: Callable[[], Any], index: str) -> None:
    if connection.vendor != "sqlite":
        return  # PostgreSQL knows values when it plans
    enqueue(10)
    steps: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "WITH")):
            steps.extend(row[3] for row in context["cursor"].execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        act()
    read = [step for step in steps if "jobs_job" in step]
    assert read
    assert all(f"USING INDEX {index}" in step or f"COVERING INDEX {index}" in step for step in read)


def test_a_backlog_is_claimed_in_the_order_of_its_index() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite keeps no statistics of its own accord
    ids = enqueue(3000)
    Job.objects.filter(id__in=ids).update(published_at=None)
    for _ in range(2):
        plan = plan_of(lambda: lifecycle.claim_waiting(["default"], 100, worker=WORKER))
        plan += plan_of(lambda: lifecycle.claim_waiting(["default"], 100, worker=WORKER, after=(0, ids[1000])))
        assert plan.count("Index Scan using jobs_job_to_publish") == 2
        assert "Sort" not in plan
        analyze()  # and again, now that the statistics know


def test_jobs_whose_message_was_lost_are_claimed_in_the_order_of_their_index() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite keeps no statistics of its own accord
    enqueue(3000)
    for _ in range(2):
        plan = plan_of(lambda: lifecycle.claim_stale(None, 100, worker=WORKER, older_than_seconds=0))
        assert "jobs_job_queued" in plan
        assert "Sort" not in plan
        analyze()


def test_of_a_backlog_no_more_is_read_than_is_published() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite keeps no statistics of its own accord
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pg_statistic WHERE starelid = 'jobs_job'::regclass")  # what other tests left
        cursor.execute("INSERT INTO jobs_job (task) SELECT 'tests.tasks.add' FROM generate_series(1, 100000)")
    for _ in range(2):
        assert rows_read(lambda: lifecycle.take_unpublished("default", 10)) < 100
        assert rows_read(lifecycle.waiting_queues) < 100
        analyze()  # and again, now that the statistics know
