"""The runner: `python -m benchmarks.run --peers queuehub rq --repeats 3 --seconds 5`."""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks import report, tables
from benchmarks.bench import Bench
from benchmarks.machine import load, machine
from benchmarks.measures import Measurer
from benchmarks.peers import PEERS, Peer, chosen
from benchmarks.plan import arguments, steps
from benchmarks.results import Results
from benchmarks.runtimes import CACHE, PROJECT, MissingRuntime, peers_python
from benchmarks.servers import ServerError

LATEST = PROJECT / "benchmarks" / "results" / "latest.json"
TOLD = ("configuration", "bulk", "versions", "python")
TABLE = PROJECT / "docs" / "benchmarks.md"
IMAGES = PROJECT / "docs" / "images"


def main() -> int:
    """Measure what is asked for and write the results; returns the exit code."""
    options = arguments()
    try:
        peers = chosen(options.peers)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = {name: getattr(options, name) for name in ("seconds", "latency_seconds", "sizes")}
    results = Results(CACHE / "run.json", plan, is_resumed=not options.fresh)
    directory = Path(tempfile.mkdtemp(prefix="queuehub-bench-"))
    directory.chmod(0o711)  # PostgreSQL may run as another user
    try:
        failed_count = _measure_all(directory, peers, options, results)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("broken off; the same command goes on", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(tables.all_tables(results.value))
    if not options.dry:
        _publish(results)
    return 1 if failed_count else 0


def _measure_all(directory: Path, peers: dict[str, Peer], options: argparse.Namespace, results: Results) -> int:
    bench = Bench(directory)
    begun = time.monotonic()
    missing: set[str] = set()
    failed_count = 0
    try:
        _begin(results, machine(directory, bench.postgresql, bench.redis))
        measurer = Measurer(bench, options.seconds, options.latency_seconds, options.sizes)
        todo = [step for step in steps(peers, options.measures, options.repeats) if not results.has(_key(step))]
        for number, step in enumerate(todo, start=1):
            repeat, measure, name, peer = step
            minutes = (time.monotonic() - begun) / 60
            if name in missing:
                continue
            if repeat > 1 and minutes > options.minutes:
                results.value["notes"]["time"] = f"after {options.minutes:g} minutes no further repeat was begun"
                break
            try:
                value = _measured(bench, measurer, name, peer, measure)
            except MissingRuntime as error:
                results.value["notes"][name] = f"{peer.title} was not measured: {error}"
                print(results.value["notes"][name], flush=True)
                missing.add(name)
                continue
            if "error" not in value:
                # the commands are left out: they are paths of this machine, and `configuration` says them in words
                told = {key: bench.described(name, peer)[key] for key in TOLD}
                results.value["peers"][name] = {"title": peer.title, **told}
            failed_count += "error" in value
            where = f"{minutes:4.1f} min, {number}/{len(todo)}, repeat {repeat}"
            print(f"{where}: {measure:<13} {name:<20} {_words(value)}", flush=True)
            results.add(_key(step), value)
    finally:
        bench.stop()
    return failed_count


def _begin(results: Results, surroundings: dict[str, str]) -> None:
    """Forget what failed, and what was measured of another QueueHub."""
    before = results.value["machine"].get("queuehub")
    is_other = before not in (None, surroundings["queuehub"])
    count = results.forget(lambda run: "error" in run or (is_other and run["peer"].startswith("queuehub")))
    kept_count = len(results.value["runs"])
    if kept_count or count:
        print(f"{kept_count} measurements are kept, {count} are made again; --fresh forgets all", flush=True)
    results.value["machine"] = surroundings
    results.value["notes"] = {}
    print(report.surroundings(results.value), flush=True)


def _key(step: tuple[int, str, str, Peer]) -> tuple[str, str, int]:
    repeat, measure, name, _ = step
    return name, measure, repeat


def _measured(bench: Bench, measurer: Measurer, name: str, peer: Peer, measure: str) -> dict[str, Any]:
    """Measure; whatever goes wrong with one system is its result, and the others go on.

    Raises: MissingRuntime.
    """
    begun = time.monotonic()
    try:
        value = measurer.measure(name, peer, measure)
    except MissingRuntime:
        raise
    except Exception as error:
        print(f"{traceback.format_exc()}\n{bench.last_words(name)}", file=sys.stderr, flush=True)
        value = {"error": f"{type(error).__name__}: {error}"}
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    return value | {"at": at, "load": load(), "took_seconds": round(time.monotonic() - begun, 1)}


def _words(value: dict[str, Any]) -> str:
    if "error" in value:
        return f"failed: {value['error']}"
    if "rate" in value:
        words = f"{value['rate']:,.0f}/s ({value['count']:,} in {value['seconds']:.1f} s)"
    elif "p50" in value:
        words = f"p50 {value['p50']:.1f}, p95 {value['p95']:.1f}, p99 {value['p99']:.1f} ms"
    else:
        words = tables.in_a_line({key: value[key] for key in value if key not in ("at", "load", "took_seconds")})
    return f"{words}; load {value['load']}, took {value['took_seconds']} s"


def _publish(results: Results) -> None:
    """Write the results, the plots and the document; peers come in the order of the report."""
    value = results.value
    value["peers"] = {name: value["peers"][name] for name in PEERS if name in value["peers"]}
    results.save()
    LATEST.parent.mkdir(exist_ok=True)
    shutil.copyfile(results.path, LATEST)
    subprocess.run([peers_python(), "-m", "benchmarks.plots", LATEST, IMAGES], cwd=PROJECT, check=False)
    TABLE.write_text(report.document(value, IMAGES))
    print(f"written: {LATEST.relative_to(PROJECT)}, {TABLE.relative_to(PROJECT)}, plots in docs/images")


if __name__ == "__main__":
    sys.exit(main())
