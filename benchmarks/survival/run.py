"""The runner: `python -m benchmarks.survival.run --peers queuehub rq --scenarios kills flush --repeats 2`.

Trials spend most of their time waiting, so several run beside each other, each on a Valkey and a database of its own.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.machine import load as machine_load
from benchmarks.machine import machine
from benchmarks.results import Results
from benchmarks.runtimes import CACHE, PROJECT, peers_python
from benchmarks.servers import PostgreSQL, ServerError, valkey
from benchmarks.survival import report, trees
from benchmarks.survival.host import TrialError
from benchmarks.survival.systems import SCENARIOS, System, chosen
from benchmarks.survival.trial import Bench, Load, attempt
from queuehub.embedded import EmbeddedServerError

FIGURES = PROJECT / "docs" / "survival.json"
DOCUMENT = PROJECT / "docs" / "survival.md"
STAGGER_SECONDS = 2.0
"""Between the starts of two trials, so that the many processes of one do not boot with those of another."""


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="make survival", description="Count jobs after faults, side by side.")
    parser.add_argument("--peers", nargs="*", default=[], help="names of systems (all)")
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=SCENARIOS, metavar="SCENARIO")
    parser.add_argument("--repeats", type=int, default=2, help="trials of each, with different seeds (2)")
    parser.add_argument("--seed", type=int, default=None, help="seed of the first repeat (printed; by chance)")
    parser.add_argument("--backlog", type=int, default=400, help="jobs before the workers start, and again after (400)")
    parser.add_argument("--rate", type=float, default=50, help="jobs enqueued per second while they work (50)")
    parser.add_argument("--milliseconds", type=float, default=50, help="how long a job sleeps (50)")
    parser.add_argument("--at-once", type=int, default=8, help="trials beside each other (8)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was broken off")
    parser.add_argument("--dry", action="store_true", help="write no docs/survival.md and no docs/survival.json")
    return parser.parse_args()


def main() -> int:
    """Make the trials that are asked for and write the report; returns the exit code."""
    options = arguments()
    try:
        systems = chosen(options.peers)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    results = Results(CACHE / "survival.json", _plan(options, systems), options.resume)
    seed = results.value.setdefault("seed", options.seed or random.randrange(1, 10**6))
    print(f"seed {seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="qh-survival-"))
    directory.chmod(0o711)  # PostgreSQL may run as another user
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        failed_count = _make_all(directory, systems, options, results)
    except (ServerError, EmbeddedServerError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        trees.kill_all()
        time.sleep(1)  # trials in other threads notice it and end
        shutil.rmtree(directory, ignore_errors=True)
        print("broken off; the same command with --resume goes on", file=sys.stderr, flush=True)
        os._exit(130)  # without waiting for trials in other threads; the kernel ends what is tied to them
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(report.table(results.value))
    if not options.dry:
        shutil.copyfile(results.path, FIGURES)
        DOCUMENT.write_text(report.document(results.value))
        print(f"written: {FIGURES.relative_to(PROJECT)}, {DOCUMENT.relative_to(PROJECT)}")
    return 1 if failed_count else 0


def _plan(options: argparse.Namespace, systems: dict[str, System]) -> dict[str, Any]:
    names = ("scenarios", "repeats", "backlog", "rate", "milliseconds")
    return {"peers": list(systems), **{name: getattr(options, name) for name in names}}


def _make_all(directory: Path, systems: dict[str, System], options: argparse.Namespace, results: Results) -> int:
    load = Load(options.backlog, options.rate, options.milliseconds)
    postgresql = PostgreSQL(directory / "postgresql").start()
    failed_count, begun = 0, time.monotonic()
    try:
        with valkey(directory / "valkey") as server, Redis.from_url(server.url) as redis:
            results.value["machine"] = machine(directory, postgresql, redis)
        bench = Bench(directory, peers_python(), postgresql, load)
        work = _missing(systems, options, results)
        with ThreadPoolExecutor(options.at_once) as lanes:
            waiting = {lanes.submit(_tried, bench, systems[key[0]], key, results.value["seed"]): key for key in work}
            try:
                for done in as_completed(waiting):
                    failed_count += _kept(waiting[done], done, results, systems)
            except BaseException:
                lanes.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        postgresql.stop()
    results.value["took_seconds"] = round(results.value.get("took_seconds", 0) + time.monotonic() - begun)
    results.save()
    return failed_count


def _missing(systems: dict[str, System], options: argparse.Namespace, results: Results) -> list[tuple[str, str, int]]:
    keys = [
        (name, scenario, repeat)
        for repeat in range(1, options.repeats + 1)
        for scenario in options.scenarios
        for name, system in systems.items()
        if scenario in system.scenarios
    ]
    return [key for key in keys if not results.has(key)]


_starting = threading.Lock()


def _tried(bench: Bench, system: System, key: tuple[str, str, int], seed: int) -> dict[str, Any]:
    _, scenario, repeat = key
    with _starting:
        time.sleep(STAGGER_SECONDS)
    began, begun = time.strftime("%H:%M:%S"), time.monotonic()
    try:
        value = attempt(bench, system, scenario, seed + repeat - 1)
    except TrialError as error:
        value = {"error": str(error)}
    took = round(time.monotonic() - begun, 1)
    return {"seed": seed + repeat - 1, **value, "load": machine_load(), "took_seconds": took, "began": began}


def _kept(
    key: tuple[str, str, int], done: "Future[dict[str, Any]]", results: Results, systems: dict[str, System]
) -> bool:
    """Keep what a trial found, and say whether it failed."""
    name, scenario, repeat = key
    value = done.result()
    if "told" in value:
        told = value.pop("told")
        results.value["peers"][name] = {"title": systems[name].title, **told}
    print(f"{scenario:<7} {repeat} {name:<13} {report.words(value)}", flush=True)
    results.add(key, value)
    return "error" in value


if __name__ == "__main__":
    sys.exit(main())
