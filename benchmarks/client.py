"""The side of a measurement that runs in the measured system's own interpreter.

`python -m benchmarks.client MODULE VARIANT ACTION …` talks to the runner on standard output, one JSON value a line.
Times are readings of the machine's monotonic clock, which all processes share.
"""

import importlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.adapter import BATCH, Adapter, Call, Ledger

WARM_UP_COUNT = 100
POLL_SECONDS = 0.05
WORK_MILLISECONDS = 1.0
LONGEST_SECONDS = 180
SETTLING_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""A system that finishes no job of a backlog within this time has a rate of 0."""


def say(value: dict[str, Any]) -> None:
    """Tell the runner."""
    print(json.dumps(value), flush=True)


def describe(adapter: Adapter) -> dict[str, Any]:
    """Return how the system is set up: commands, versions, words."""
    return {
        "configuration": adapter.configuration,
        "bulk": adapter.bulk,
        "versions": {name: importlib.metadata.version(name) for name in adapter.packages},
        "python": sys.version.split()[0],
        "workers": {str(count): adapter.workers(count) for count in (1, 2)},
        "companions": adapter.companions(),
    }


def single(adapter: Adapter, seconds: float) -> dict[str, Any]:
    """Enqueue one by one for so many seconds."""
    for _ in range(WARM_UP_COUNT):
        adapter.enqueue("noop", ())
    count, begun = 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        adapter.enqueue("noop", ())
        count += 1
    return {"count": count, "seconds": time.monotonic() - begun}


def bulk(adapter: Adapter, seconds: float) -> dict[str, Any]:
    """Enqueue batch by batch for so many seconds."""
    adapter.enqueue_many("noop", [()] * WARM_UP_COUNT)
    count, begun = 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        adapter.enqueue_many("noop", [()] * BATCH)
        count += BATCH
    return {"count": count, "seconds": time.monotonic() - begun}


def drain(adapter: Adapter, task: str, count: int, path: Path, poll_seconds: float) -> dict[str, Any]:
    """Fill the queue, ask the runner for workers, and watch until nothing waits or runs.

    The clock starts when the first job, which stamps it into `path`, begins; so the start of processes is not in it.
    """
    had_succeeded_count = adapter.succeeded_count()
    adapter.enqueue("stamp", (str(path), 0))
    call: Call = (WORK_MILLISECONDS,) if task == "work" else ()
    begun = time.monotonic()
    for start in range(0, count, BATCH):
        adapter.enqueue_many(task, [call] * min(BATCH, count - start))
    say({"is_filled": True, "fill_seconds": time.monotonic() - begun})
    _wait_until_drained(adapter, path, poll_seconds)
    ended = time.monotonic_ns()
    succeeded_count = adapter.succeeded_count()
    if had_succeeded_count is not None and succeeded_count is not None:
        succeeded_count -= had_succeeded_count
        if succeeded_count != count + 1:
            raise RuntimeError(f"{succeeded_count} jobs have succeeded, not {count + 1}")
    first = int(path.read_text().split()[0])
    return {"count": count, "seconds": (ended - first) / 1e9}


def marks(adapter: Adapter, count: int, path: Path, milliseconds: float) -> dict[str, Any]:
    """Enqueue jobs that each write into `path` when they begin and end."""
    for start in range(0, count, BATCH):
        keys = range(start, min(start + BATCH, count))
        adapter.enqueue_many("mark", [(str(path), key, milliseconds) for key in keys])
    return {"is_filled": True}


def latency(adapter: Adapter, rate: float, seconds: float, path: Path) -> dict[str, Any]:
    """Enqueue jobs at an even pace to waiting workers; each writes down when it began."""
    say({"is_filled": True})
    warm_up = path.with_suffix(".warm-up")
    adapter.enqueue("stamp", (str(warm_up), 0))
    _wait_until_drained(adapter, warm_up)
    begun = time.monotonic()
    for index in range(int(rate * seconds)):
        time.sleep(max(0.0, begun + index / rate - time.monotonic()))
        adapter.enqueue("stamp", (str(path), time.monotonic_ns()))
    _wait_until_drained(adapter, path)
    lines = [line.split() for line in path.read_text().splitlines()]
    return {"milliseconds": sorted((int(began) - int(sent)) / 1e6 for began, sent in lines)}


def pile(adapter: Ledger, count: int) -> dict[str, Any]:
    """Enqueue a backlog."""
    begun = time.monotonic()
    adapter.pile_up(count)
    return {"is_by_hand": adapter.piles_up_by_hand, "seconds": time.monotonic() - begun}


def span(adapter: Ledger, seconds: float) -> dict[str, Any]:
    """Measure the rate of workers in the midst of a backlog, from soon after their first success.

    Raises: RuntimeError if the backlog came to its end.
    """
    begun, begun_count = time.monotonic(), adapter.succeeded_count()
    say({"is_filled": True})
    while adapter.succeeded_count() == begun_count:
        if time.monotonic() - begun > PATIENCE_SECONDS:
            return {"count": 0, "seconds": PATIENCE_SECONDS}
        time.sleep(POLL_SECONDS)
    time.sleep(SETTLING_SECONDS)
    # a count sees what was there when it began
    first_at, first_count = time.monotonic(), adapter.succeeded_count()
    time.sleep(max(0.0, first_at + seconds - time.monotonic()))
    last_at, last_count = time.monotonic(), adapter.succeeded_count()
    if adapter.is_drained():
        raise RuntimeError("the backlog was too short for the measurement")
    return {"count": last_count - first_count, "seconds": last_at - first_at}


def _wait_until_drained(adapter: Adapter, path: Path | None, poll_seconds: float = POLL_SECONDS) -> None:
    """Wait until no job is left, and one has written into `path` if there is one to wait for."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not ((path is None or path.exists()) and adapter.is_drained()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"jobs were left after {LONGEST_SECONDS} s")
        time.sleep(poll_seconds)


def main(module: str, variant: str, action: str, *arguments: str) -> None:
    """Do what the runner asks for."""
    adapter: Any = importlib.import_module(f"benchmarks.peers.{module}").adapter(variant)
    match action, *arguments:
        case ["describe"]:
            say(describe(adapter))
        case ["prepare"]:
            adapter.prepare()
        case ["single", seconds]:
            say(single(adapter, float(seconds)))
        case ["bulk", seconds]:
            say(bulk(adapter, float(seconds)))
        case ["drain", task, count, path, poll_seconds]:
            say(drain(adapter, task, int(count), Path(path), float(poll_seconds)))
        case ["marks", count, path, milliseconds]:
            say(marks(adapter, int(count), Path(path), float(milliseconds)))
        case ["latency", rate, seconds, path]:
            say(latency(adapter, float(rate), float(seconds), Path(path)))
        case ["grow", count]:
            adapter.grow(int(count))
        case ["left"]:
            say({"is_drained": adapter.is_drained()})
        case ["empty"]:
            _wait_until_drained(adapter, None)
        case ["analyze"]:
            adapter.analyze()
        case ["pile", count]:
            say(pile(adapter, int(count)))
        case ["span", seconds]:
            say(span(adapter, float(seconds)))
        case _:
            raise SystemExit(f"unknown: {action} {arguments}")


if __name__ == "__main__":
    main(*sys.argv[1:])
