"""A ledger that breaks connections, crashes, goes away, and comes back."""

import signal
import time

import pytest

from tests.faults.conftest import Sites
from tests.faults.ledgers import DATABASE, PostgreSQLLedger
from tests.faults.rows import history, insert
from tests.faults.site import Site
from tests.support import eventually

AWAY_SECONDS = 60
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"


@pytest.mark.fault("backends terminated ten times a second")
def test_terminated_backends_lose_nothing(site: Site) -> None:
    site.start(pools=2)
    ended = 0
    with site.fault():
        for _ in site.each(0.1):
            query = f"SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid {OTHERS} AND pid <> pg_backend_pid()"
            ended += site.ledger.query(f"{query} ORDER BY random() LIMIT 1) victim")[0][0]
    site.notes["terminated"] = ended
    assert ended > site.load_seconds
    site.check()


@pytest.mark.fault("immediate stop and restart")
def test_a_ledger_that_crashes_and_recovers_loses_nothing(site: Site) -> None:
    assert isinstance(site.ledger, PostgreSQLLedger)
    site.start(pools=2)
    with site.fault():
        for _ in site.each(5.0):
            site.ledger.server.halt(signal.SIGQUIT)
            site.rest(1.0)
            site.ledger.server.run()
    site.check()


@pytest.mark.slow
@pytest.mark.fault("away for 60 seconds in mid-job")
def test_a_ledger_away_in_mid_job_runs_no_job_twice(site: Site) -> None:
    assert isinstance(site.ledger, PostgreSQLLedger)
    site.start(pools=2, options=("--threads", "4"))
    keys = insert(site, "linger", 3, 4.0)
    eventually(lambda: {line.key for line in site.journal.lines()} >= set(keys), 20, "the jobs do not begin")
    with site.fault():
        site.ledger.server.halt(signal.SIGINT)
        site.rest(AWAY_SECONDS if site.load_seconds >= 30 else 20)
        site.ledger.server.run()
    site.check()
    assert [history(site, key) for key in keys] == [["success"]] * len(keys)


@pytest.mark.fault("commit acknowledged but the reply lost")
@pytest.mark.parametrize("statement", ["COMMIT", "INSERT INTO jobs_attempt", "FOR UPDATE OF j SKIP LOCKED"])
def test_a_committed_statement_whose_reply_is_lost_takes_effect_once(make_site: Sites, statement: str) -> None:
    site = make_site(is_proxied=True)
    assert site.ledger_proxy is not None
    site.start(pools=2)
    with site.fault():
        rule = site.ledger_proxy.cut_reply(statement.encode(), every=10)
        site.rest(site.load_seconds)
        rule.stop()
    site.notes["cut_replies"] = rule.fired_count
    assert rule.fired_count >= 3
    site.check()


@pytest.mark.fault("connections exhausted")
def test_a_ledger_without_a_free_connection_loses_nothing(make_site: Sites) -> None:
    site = make_site(ledger={"max_connections": "40"})
    assert isinstance(site.ledger, PostgreSQLLedger)
    site.start(pools=2)
    hogs = []
    refused = 0
    with site.fault():
        ends_at = time.monotonic() + site.load_seconds
        while time.monotonic() < ends_at:
            try:
                hogs.append(site.ledger.server.connect(DATABASE))
            except site.ledger.Error:
                refused += 1
                if hogs and refused % 10 == 1:
                    # Whoever has a connection must lose it, or the shortage is none of theirs.
                    hogs[0].execute(f"SELECT pg_terminate_backend(pid) {OTHERS} AND application_name <> 'hog'")
                site.rest(0.05)
            else:
                hogs[-1].execute("SET application_name = 'hog'")
        for hog in hogs:
            hog.close()
    site.notes |= {"hogs": len(hogs), "refused": refused}
    assert refused > 10
    site.check()


@pytest.mark.fault("migration under load")
def test_migrations_run_under_load(site: Site) -> None:
    # as far back as this release's code can run: what comes later adds no column that it needs
    back = site.manage("m", "migrate", "jobs", "0016")
    assert back.wait(60) == 0, back.output
    site.start(pools=2)
    with site.fault():
        forward = site.manage("m", "migrate")
        assert forward.wait(60) == 0, forward.output
        for number in site.each(1.0):
            # What a later release may do: each step waits for no job, and no job for it.
            site.ledger.query(f"ALTER TABLE jobs_job ADD COLUMN later_{number} text")
            site.ledger.query(f"CREATE INDEX CONCURRENTLY later_{number} ON jobs_job (later_{number})")
            site.ledger.query(f"DROP INDEX CONCURRENTLY later_{number}")
            site.ledger.query(f"ALTER TABLE jobs_job DROP COLUMN later_{number}")
    site.check()
