"""One trial: a system from an empty store, under load and one kind of fault, until nothing moves any more."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.servers import PostgreSQL
from benchmarks.survival.adapter import FAILED
from benchmarks.survival.host import Host
from benchmarks.survival.scenarios import FAULTS, wait_until_all_work
from benchmarks.survival.systems import System
from benchmarks.survival.verdict import acknowledged, journal, judge

SETTLED_SECONDS = 5.0
"""Once the system holds nothing, or all has run, this much more silence ends the trial."""

LONGEST_SECONDS = 400
FAST = 1e6
"""A rate that no producer reaches: jobs per second before the workers start."""


@dataclass(frozen=True, slots=True)
class Load:
    """The work, the same for all: `backlog` jobs before the workers start, then as many at `rate` per second.

    Each job sleeps `milliseconds`. With a backlog from the start, a fault does not find an empty queue where the
    producer is slow.
    """

    backlog: int
    rate: float
    milliseconds: float

    @property
    def seconds(self) -> float:
        """How long the second half is enqueued, if the producer keeps the pace."""
        return self.backlog / self.rate


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trials share."""

    directory: Path
    python: Path
    postgresql: PostgreSQL
    load: Load


def attempt(bench: Bench, system: System, scenario: str, seed: int) -> dict[str, Any]:
    """Make one trial and return its figures, see `verdict.judge`, and how the system was set up.

    Raises: TrialError.
    """
    directory = bench.directory / f"{system.module}{system.variant and '-' + system.variant}-{scenario}-{seed}"
    directory.mkdir()
    host = Host(system, directory, bench.python, bench.postgresql)
    load = bench.load
    rest = (load.milliseconds, host.acknowledged, host.journal)
    try:
        told = host.begin()
        host.ask("produce", 0, load.backlog, FAST, *rest)
        before = host.answer()
        host.start()
        wait_until_all_work(host)
        host.ask("produce", load.backlog, load.backlog, load.rate, *rest)
        faults = FAULTS[scenario](host, random.Random(f"{scenario} {seed}"), load.seconds)
        during = host.answer()
        silent_seconds, held = _wait_for_silence(host, system.quiet_seconds)
        figures = judge(acknowledged(host.acknowledged), journal(host.journal), faults, held)
    finally:
        host.end()
    return {
        **figures,
        "refused": before["refused"] + during["refused"],
        "enqueued_seconds": round(during["seconds"], 1),
        "self_ended": host.self_ended_count,
        "silent_seconds": round(silent_seconds, 1),
        "told": {name: told[name] for name in ("configuration", "versions", "python")},
    }


def _wait_for_silence(host: Host, quiet_seconds: float) -> tuple[float, dict[str, list[str]]]:
    """Wait until nothing more is to be expected; return how long it was silent, and what is held then."""
    accepted = set(acknowledged(host.acknowledged))
    begun = changed = time.monotonic()
    size = -1
    held: dict[str, list[str]] = {}
    while True:
        if host.journal.stat().st_size != size:
            size, changed = host.journal.stat().st_size, time.monotonic()
        silent_seconds = time.monotonic() - changed
        if silent_seconds >= 2:
            host.ask("held")
            held = host.answer()
            is_held = any(accepted.intersection(keys) for place, keys in held.items() if place != FAILED)
            needed = quiet_seconds if is_held else min(SETTLED_SECONDS, quiet_seconds)
            if silent_seconds >= needed or time.monotonic() - begun > LONGEST_SECONDS:
                return silent_seconds, held
        host.pause(0.5)
