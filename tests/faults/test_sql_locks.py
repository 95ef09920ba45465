"""Others that hold locks in the ledger: rows in a bad order, whole tables, SQLite's one write lock."""

import sqlite3
import time

import pytest

from tests.faults.ledgers import DATABASE, PostgreSQLLedger, SQLiteLedger
from tests.faults.site import Site

PICK = "SELECT id FROM jobs_job WHERE state IN ('queued', 'running', 'retrying') ORDER BY id DESC LIMIT 50"
LOCK = "SELECT id FROM jobs_job WHERE id = %s FOR UPDATE"


@pytest.mark.fault("deadlock and lock wait")
def test_rows_locked_in_a_bad_order_lose_nothing(site: Site) -> None:
    assert isinstance(site.ledger, PostgreSQLLedger)
    site.start(pools=2)
    locked, deadlocks = 0, 0
    with site.fault(), site.ledger.server.connect(DATABASE) as stranger:
        for _ in site.each(0.05):
            try:
                with stranger.transaction():
                    # The engine locks in ascending order; this is the worst that somebody else can do.
                    for (job_id,) in stranger.execute(PICK).fetchall():
                        stranger.execute(LOCK, [job_id])
                        locked += 1
                    time.sleep(0.3)
            except site.ledger.Error:
                deadlocks += 1
    total = site.ledger.query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]
    site.notes |= {"locked": locked, "deadlocks": total, "deadlocks_of_the_stranger": deadlocks}
    assert locked > 50
    site.check()


@pytest.mark.fault("deadlock and lock wait")
def test_a_table_locked_for_seconds_again_and_again_loses_nothing(site: Site) -> None:
    assert isinstance(site.ledger, PostgreSQLLedger)
    site.start(pools=2)
    with site.fault(), site.ledger.server.connect(DATABASE) as stranger:
        for number in site.each(1.0):
            with stranger.transaction():
                table = ("jobs_job", "jobs_attempt", "jobs_worker", "jobs_statistic")[number % 4]
                stranger.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                site.rest(2.0)
    site.check()


@pytest.mark.on_sqlite(is_only=True)
@pytest.mark.fault("deadlock and lock wait")
def test_a_file_that_somebody_else_keeps_locked_loses_nothing(site: Site) -> None:
    assert isinstance(site.ledger, SQLiteLedger)
    site.start(pools=2)
    with site.fault():
        for _ in site.each(1.0):
            stranger = sqlite3.connect(site.ledger.path, timeout=30, isolation_level=None)
            stranger.execute("BEGIN IMMEDIATE")
            site.rest(2.0)
            stranger.execute("ROLLBACK")
            stranger.close()
    site.check()
