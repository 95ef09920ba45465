"""Transactions that roll back, rows that nobody should have written, and many rows at once."""

import json

import pytest

from tests.faults.producer_log import ACKNOWLEDGED, MEANT
from tests.faults.rows import history, insert
from tests.faults.site import RATE, Site
from tests.journal import append_many

ODD_QUEUES = ["with space", "colon:colon", "ünïcode", "x" * 128, "quote'\"", "new\nline", "%s", "rq:queue:default"]


@pytest.mark.fault("half of the transactions rolled back, savepoints")
@pytest.mark.on_sqlite
def test_what_is_rolled_back_never_runs_while_workers_are_killed(site: Site) -> None:
    site.start(pools=2, rate=0)
    site.produce(RATE, "--undone", "0.5")
    with site.fault():
        for _ in site.each(1.0):
            site.kill_a_worker()
    site.check()


@pytest.mark.fault("second database")
@pytest.mark.on_sqlite
def test_a_job_enqueued_inside_a_transaction_of_another_database_commits_by_itself(site: Site) -> None:
    site.start(pools=2, rate=0)
    site.produce(RATE, "--beside-other")
    with site.fault():
        for _ in site.each(1.0):
            site.kill_a_worker()
    site.check()


@pytest.mark.fault("unpublishable row")
@pytest.mark.on_sqlite
def test_rows_of_odd_queues_and_priorities_run_and_hold_nobody_up(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        for _ in site.each(2.0):
            for queue in ODD_QUEUES:
                insert(site, "linger", 1, 0.001, queue=queue, priority=site.random.choice([-100, 0, 100]))
    site.check()


@pytest.mark.fault("one bad row in a batch")
@pytest.mark.on_sqlite
def test_bad_rows_end_dead_and_their_neighbours_succeed(site: Site) -> None:
    site.start(pools=2)
    keys: list[str] = []
    with site.fault():
        for number in site.each(0.2):
            keys += insert(site, "unstorable", 1, number)
            insert(site, "linger", 1, 0.001, "one argument too many")
    ends = {"unstorable": frozenset({"dead"}), "linger": frozenset({"dead"})}
    site.check(ends=ends)
    assert all(len(history(site, key)) == 1 for key in keys), "what cannot be stored is not tried again"


@pytest.mark.fault("10,000 retries due at once")
@pytest.mark.on_sqlite
def test_ten_thousand_retries_due_at_once_do_not_starve_the_rest(site: Site) -> None:
    site.start(pools=2)
    keys = [f"work-retry-{number}" for number in range(10_000)]
    append_many(site.log.path, MEANT, keys)
    columns = "task, args, state, attempt, failure_count, due_at"
    row = "('tests.faults.tasks.work', %s, 'retrying', 1, 1, {due})"
    later = {"postgresql": "now() + interval '3 seconds'", "sqlite": "datetime('now', '+3 seconds')"}[site.ledger.name]
    for start in range(0, len(keys), 1000):
        part = [json.dumps([site.journal.path, key, 0.0]) for key in keys[start : start + 1000]]
        rows = ", ".join([row.format(due=later)] * len(part))
        site.ledger.query(f"INSERT INTO jobs_job ({columns}) VALUES {rows}", *part)
    append_many(site.log.path, ACKNOWLEDGED, keys)
    with site.fault():
        site.rest(site.load_seconds)
    site.check()
