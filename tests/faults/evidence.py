"""Reads the three records of a run: the producers' log, the tasks' journal, and the ledger by plain SQL."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from tests.faults.checker import Evidence, LedgerAttempt, LedgerJob
from tests.faults.ledgers import Ledger
from tests.faults.producer_log import ACKNOWLEDGED, MEANT, UNDONE
from tests.journal import BEGAN, ENDED, Journal

ATTEMPTS = """
SELECT job_id, number, outcome, traceback <> '', exception_class || ' ' || message FROM jobs_attempt
ORDER BY job_id, number
"""
KEYED = "task <> 'tests.faults.tasks.tick'"
"""A job of the schedule has no key."""


def read(log: Journal, journal: Journal, ledger: Ledger) -> Evidence:
    """Read what was acknowledged, what ran and what the ledger says."""
    return Evidence(
        meant=frozenset(line.key for line in log.lines(MEANT)),
        acknowledged={line.key: line.at_seconds for line in log.lines(ACKNOWLEDGED)},
        undone=frozenset(line.key for line in log.lines(UNDONE)),
        began=_times(journal),
        ended=Counter(line.key for line in journal.lines(ENDED)),
        jobs=tuple(_jobs(ledger)),
        effects={str(key): int(count) for key, count in ledger.query("SELECT key, count(*) FROM effects GROUP BY key")},
    )


def _times(journal: Journal) -> dict[str, tuple[float, ...]]:
    times: dict[str, list[float]] = defaultdict(list)
    for line in journal.lines(BEGAN):
        times[line.key].append(line.at_seconds)
    return {key: tuple(values) for key, values in times.items()}


def _jobs(ledger: Ledger) -> Iterable[LedgerJob]:
    attempts: dict[object, list[LedgerAttempt]] = defaultdict(list)
    for job_id, number, outcome, has_traceback, said in ledger.query(ATTEMPTS):
        attempts[job_id].append(LedgerAttempt(number, outcome, bool(has_traceback), said.strip()))
    rows = ledger.query(f"SELECT id, {ledger.key}, state, coalesce(max_attempts, 5) FROM jobs_job WHERE {KEYED}")
    for job_id, key, state, limit in rows:
        yield LedgerJob(str(key), state, limit, tuple(attempts[job_id]))
