"""Reads the three records of a run: the producers' log, the tasks' journal, and the ledger by plain SQL."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from tests.faults.checker import Evidence, LedgerAttempt, LedgerJob
from tests.journal import BEGAN, ENDED, Journal

Query = Callable[[str], list[tuple[Any, ...]]]

KEY = {"postgresql": "args->>1", "sqlite": "json_extract(args, '$[1]')"}
ATTEMPTS = "SELECT job_id, number, outcome, traceback <> '' FROM jobs_attempt ORDER BY job_id, number"


def read(log: Journal, journal: Journal, ledger: str, query: Query) -> Evidence:
    """Read what was acknowledged, what ran and what the ledger says."""
    return Evidence(
        meant=frozenset(line.key for line in log.lines("meant")),
        acknowledged={line.key: line.at_seconds for line in log.lines("acknowledged")},
        undone=frozenset(line.key for line in log.lines("undone")),
        began=_times(journal),
        ended=Counter(line.key for line in journal.lines(ENDED)),
        jobs=tuple(_jobs(ledger, query)),
        effects={str(key): int(count) for key, count in query("SELECT key, count(*) FROM effects GROUP BY key")},
    )


def _times(journal: Journal) -> dict[str, tuple[float, ...]]:
    times: dict[str, list[float]] = defaultdict(list)
    for line in journal.lines(BEGAN):
        times[line.key].append(line.at_seconds)
    return {key: tuple(values) for key, values in times.items()}


def _jobs(ledger: str, query: Query) -> Iterable[LedgerJob]:
    attempts: dict[object, list[LedgerAttempt]] = defaultdict(list)
    for job_id, number, outcome, has_traceback in query(ATTEMPTS):
        attempts[job_id].append(LedgerAttempt(number, outcome, bool(has_traceback)))
    rows = query(f"SELECT id, {KEY[ledger]}, state, coalesce(max_attempts, 5) FROM jobs_job")
    for job_id, key, state, limit in rows:
        yield LedgerJob(str(key), state, limit, tuple(attempts[job_id]))
