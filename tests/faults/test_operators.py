"""Operators who change jobs while these run, and while the operators' own processes die."""

import signal
import sys

import pytest

from tests.faults.producer_log import ACKNOWLEDGED, MEANT
from tests.faults.rows import insert
from tests.faults.site import Site
from tests.journal import append_many
from tests.support import Running, eventually

DEAD_ROWS = {
    "postgresql": "SELECT 'tests.faults.tasks.work', json_build_array(%s::text, 'work-bulk-' || n, 0), 'dead', now()"
    " FROM generate_series(1, %s) n",
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT %s)"
    " SELECT 'tests.faults.tasks.work', json_array(%s, 'work-bulk-' || n, 0), 'dead', datetime('now') FROM numbers",
}


def operator(site: Site, *words: str) -> Running:
    return site.processes.start(sys.executable, "-m", "tests.faults.operators", *words)


@pytest.mark.slow
@pytest.mark.fault("bulk retry of 100,000 killed midway")
@pytest.mark.on_sqlite
def test_a_bulk_retry_killed_midway_and_called_again_retries_each_job_once(site: Site) -> None:
    count = 100_000 if site.load_seconds >= 30 else 10_000
    keys = [f"work-bulk-{number}" for number in range(1, count + 1)]
    values = (site.journal.path, count) if site.ledger.name == "postgresql" else (count, site.journal.path)
    site.ledger.query(f"INSERT INTO jobs_job (task, args, state, finished_at) {DEAD_ROWS[site.ledger.name]}", *values)
    append_many(site.log.path, MEANT, keys)
    append_many(site.log.path, ACKNOWLEDGED, keys)
    site.start(pools=2)
    dead = "SELECT count(*) FROM jobs_job WHERE state = 'dead' AND attempt = 0"
    with site.fault():
        first = operator(site, "retry-all")
        eventually(lambda: site.ledger.query(dead)[0][0] < count, 60, "the retry does not begin")
        first.send(signal.SIGKILL)
        first.process.wait()
        site.notes["left_by_the_first"] = site.ledger.query(dead)[0][0]
        assert site.notes["left_by_the_first"] > 0, "it was killed too late"
        second = operator(site, "retry-all")
        assert second.wait(240) == 0, second.output
    assert site.ledger.query(dead) == [(0,)]
    site.check(seconds=300, has_limits=False)  # the backlog is the operators' own wish
    audited = "SELECT count(*), count(DISTINCT target) FROM jobs_auditentry WHERE reason = 'all of them'"
    ((rows, targets),) = site.ledger.query(audited)
    assert rows == targets >= count


@pytest.mark.fault("cancel, retry and edit racing")
@pytest.mark.on_sqlite
def test_operators_who_race_with_each_other_and_with_workers_break_no_promise(site: Site) -> None:
    site.start(pools=2)
    operators = [operator(site, "race", str(seed)) for seed in (1, 2)]
    with site.fault():
        for _ in site.each(0.5):
            insert(site, "contested", 20, 0.005)
            site.kill_a_worker()
        for running in operators:
            running.stop()
    site.check(ends={"contested": frozenset({"succeeded", "dead", "cancelled"})})
    ((changes,),) = site.ledger.query("SELECT count(*) FROM jobs_auditentry WHERE actor = 'operator'")
    site.notes["changes"] = changes
    assert changes > site.load_seconds * 5
