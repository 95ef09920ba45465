"""What a system costs: Redis commands and round trips, SQL statements and log per job, and memory."""

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.bench import Bench, Process, answer, database_name
from benchmarks.client import POLL_SECONDS
from benchmarks.peers import Peer
from benchmarks.processes import proportional_bytes

COST_SECONDS = 2.0
"""How long a drain whose costs are counted should take."""

SELDOM_SECONDS = 0.5
"""The client asks seldom whether all is done, so that its questions hardly count."""

SETTLING_SECONDS = 4.0
BUSY_COUNT = 2000
OWN = {"commands": 1, "reads": 1}
SAMPLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Reading:
    """The servers' counters at one moment.

    A read is what Redis takes from a connection at once: a request and its reply, a round trip, or a whole pipeline if
    it is shorter than 16 kB.
    """

    commands: int
    reads: int
    statements: int
    wal_bytes: int

    def until(self, later: "Reading", job_count: int) -> dict[str, float | None]:
        """Return what was spent on each of so many jobs since, without this reading's own question to Redis."""
        then, now = asdict(self), asdict(later)
        spent = {name: now[name] - then[name] for name in then}
        return {name: (spent[name] - OWN.get(name, 0)) / job_count for name in spent}


def cost(bench: Bench, name: str, peer: Peer, rate: float) -> dict[str, Any]:
    """Return {"enqueue", "drain", "count"}: the counters per job while many are enqueued, and while they are run.

    One process drains no-op jobs; what the companions do meanwhile is counted too. Statements and log are None for
    systems that do not use PostgreSQL.

    Raises: MeasureError.
    """
    bench.prepare(name, peer)
    described = bench.described(name, peer)
    count = max(100, int(rate * COST_SECONDS))
    with (
        bench.postgresql.counting(database_name(name) if peer.store == "postgresql" else "postgres"),
        bench.running(name, peer, described["companions"]),
    ):
        begun = _reading(bench, name)
        with bench.client(name, peer, "drain", "noop", count, bench.path("stamps"), SELDOM_SECONDS) as client:
            answer(client)
            filled = _reading(bench, name)
            with bench.running(name, peer, described["workers"]["1"]) as workers:
                answer(client, workers)
                drained = _reading(bench, name)
    spent = {"enqueue": begun.until(filled, count), "drain": filled.until(drained, count)}
    if peer.store != "postgresql":
        for part in spent.values():
            part.update(statements=None, wal_bytes=None)
    return {**spent, "count": count}


def memory(bench: Bench, name: str, peer: Peer) -> dict[str, Any]:
    """Return {"idle_bytes", "busy_bytes", "companions_bytes"}: the memory (PSS) of two worker processes with all that
    belongs to them, and what the companions hold beside them when nothing is to be done.

    Raises: MeasureError.
    """
    bench.prepare(name, peer)
    described = bench.described(name, peer)
    with (
        bench.running(name, peer, described["companions"]) as companions,
        bench.running(name, peer, described["workers"]["2"]) as workers,
    ):
        time.sleep(SETTLING_SECONDS)
        idle_bytes, companions_bytes = _held(workers), _held(companions)
        count = max(100, min(BUSY_COUNT, 3 * peer.expected_rate))
        most = _Most(workers)
        with bench.client(name, peer, "drain", "work", count, bench.path("stamps"), POLL_SECONDS) as client:
            answer(client)
            answer(client, workers)
        return {"idle_bytes": idle_bytes, "busy_bytes": most.end(), "companions_bytes": companions_bytes}


class _Most(threading.Thread):
    """Watches what processes hold, until `end` tells the most."""

    def __init__(self, processes: list[Process]) -> None:
        super().__init__(daemon=True)
        self._processes, self._is_over, self._bytes = processes, threading.Event(), 0
        self.start()

    def run(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            self._bytes = max(self._bytes, _held(self._processes))

    def end(self) -> int:
        self._is_over.set()
        self.join()
        return self._bytes


def _held(processes: list[Process]) -> int:
    return sum(proportional_bytes(process) for process in processes)


def _reading(bench: Bench, name: str) -> Reading:
    told = bench.redis.info("stats")
    return Reading(
        commands=told["total_commands_processed"],
        reads=told["total_reads_processed"],
        statements=bench.postgresql.statement_count(database_name(name)),
        wal_bytes=bench.postgresql.wal_bytes(),
    )
