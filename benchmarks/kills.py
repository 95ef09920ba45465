"""Jobs lost and doubled when all workers are killed in mid-drain, and started again at once."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, MeasureError, answer
from benchmarks.peers import Peer
from benchmarks.processes import kill_tree
from benchmarks.work import BEGAN, ENDED

MOST_JOBS = 1000
RATE_SECONDS = 4
JOB_MILLISECONDS = 5.0
KILLED_AT = 0.3
"""Share of the jobs that have ended when the workers are killed."""

PATIENCE_SECONDS = 35.0
"""After so long without a job that ends, nothing more is waited for."""

LONGEST_SECONDS = 120.0
TICK_SECONDS = 0.05


def kill(bench: Bench, name: str, peer: Peer) -> dict[str, Any]:
    """Return {"count", "interrupted", "lost", "held", "doubled", "recovery_seconds"} of jobs that each sleep for 5 ms.

    `interrupted` began before the kill and had not ended; `lost` never ended, and the system has no unfinished job;
    `held` had not ended either, but the system still has jobs that it may run some day; `doubled` ended more than once;
    `recovery_seconds` passed from the kill until the last job ended.

    Raises: MeasureError.
    """
    bench.prepare(name, peer)
    described = bench.described(name, peer)
    path = bench.path("marks")
    count = max(100, min(MOST_JOBS, RATE_SECONDS * peer.expected_rate))
    with bench.running(name, peer, described["companions"]):
        with bench.client(name, peer, "marks", count, path, JOB_MILLISECONDS) as client:
            answer(client)
        interrupted_count = _kill_in_between(bench, name, peer, described["workers"]["2"], path, count * KILLED_AT)
        killed_at = time.monotonic()
        with bench.running(name, peer, described["workers"]["2"]):
            ended_at = _await_all(path, count)
            with bench.client(name, peer, "left") as client:
                is_drained = answer(client)["is_drained"]
    ends = counted(path)[ENDED]
    missing_count = count - len(ends)
    return {
        "count": count,
        "interrupted": interrupted_count,
        "lost": missing_count if is_drained else 0,
        "held": 0 if is_drained else missing_count,
        "doubled": sum(1 for times in ends.values() if times > 1),
        "recovery_seconds": round(ended_at - killed_at, 1),
    }


def _kill_in_between(
    bench: Bench, name: str, peer: Peer, commands: list[list[str]], path: Path, ended_count: float
) -> int:
    """Run workers until so many jobs have ended, kill them, and return how many jobs that has interrupted."""
    deadline = time.monotonic() + LONGEST_SECONDS
    with bench.started(name, peer, commands) as workers:
        while len(counted(path)[ENDED]) < ended_count:
            if time.monotonic() > deadline:
                raise MeasureError(f"too few jobs have ended within {LONGEST_SECONDS:g} s")
            time.sleep(TICK_SECONDS)
        for worker in workers:
            kill_tree(worker)
    events = counted(path)
    return len(events[BEGAN].keys() - events[ENDED].keys())


def _await_all(path: Path, count: int) -> float:
    """Wait until all jobs have ended, or none more will; return when the last one did."""
    known, known_at = 0, time.monotonic()
    while known < count and time.monotonic() - known_at < PATIENCE_SECONDS:
        time.sleep(TICK_SECONDS)
        found = len(counted(path)[ENDED])
        if found != known:
            known, known_at = found, time.monotonic()
    time.sleep(1)  # a job that is run twice may follow
    return known_at


def counted(path: Path) -> dict[str, Counter[str]]:
    """Return how often each job began and ended."""
    events: dict[str, Counter[str]] = {BEGAN: Counter(), ENDED: Counter()}
    for line in path.read_text().splitlines() if path.exists() else ():
        event, _, key = line.partition(" ")
        events[event][key] += 1
    return events
