"""The runner: `python -m benchmarks.run --peers queuehub rq --repeats 3 --seconds 5`.

For every repeat and measure it goes through all peers, so that a change of the machine's mood meets them alike.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bench import CACHE, PROJECT, Bench, MeasureError
from benchmarks.machine import load, machine
from benchmarks.measures import Measurer
from benchmarks.peers import MEASURES, Peer, chosen
from benchmarks.results import Results
from benchmarks.servers import ServerError

LATEST = PROJECT / "benchmarks" / "results" / "latest.json"
TOLD = ("configuration", "bulk", "versions", "python")
TABLE = PROJECT / "docs" / "benchmarks.md"


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure job queues side by side.")
    parser.add_argument("--peers", nargs="*", default=[], help="names or beginnings of names (all)")
    parser.add_argument("--measures", nargs="*", default=list(MEASURES), choices=MEASURES, metavar="MEASURE")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="length of one measurement (5)")
    parser.add_argument("--latency-seconds", type=float, default=8, help="length at 50 jobs a second (8)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was broken off")
    parser.add_argument("--dry", action="store_true", help="write no table and no results/latest.json")
    return parser.parse_args()


def main() -> int:
    """Measure what is asked for and write the results; returns the exit code."""
    options = arguments()
    try:
        peers = chosen(options.peers)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = ("measures", "repeats", "seconds", "latency_seconds")
    plan = {"peers": list(peers), **{name: getattr(options, name) for name in names}}
    results = Results(CACHE / "run.json", plan, options.resume)
    directory = Path(tempfile.mkdtemp(prefix="queuehub-bench-"))
    directory.chmod(0o711)  # PostgreSQL may run as another user
    try:
        failed = _measure_all(directory, peers, options, results)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("broken off; the same command with --resume goes on", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(report.table(results.value))
    if not options.dry:
        LATEST.parent.mkdir(exist_ok=True)
        shutil.copyfile(results.path, LATEST)
        TABLE.write_text(report.document(results.value))
        print(f"written: {LATEST.relative_to(PROJECT)}, {TABLE.relative_to(PROJECT)}")
    return 1 if failed else 0


def _measure_all(directory: Path, peers: dict[str, Peer], options: argparse.Namespace, results: Results) -> int:
    bench = Bench(directory)
    failed_count = 0
    try:
        results.value["machine"] = machine(directory, bench.postgresql, bench.redis)
        print(report.surroundings(results.value), flush=True)
        measurer = Measurer(bench, options.seconds, options.latency_seconds)
        for repeat, measure, name, peer in _steps(peers, options):
            if results.has((name, measure, repeat)):
                continue
            value = _measured(bench, measurer, name, peer, measure)
            if "error" not in value:
                # the commands are left out: they are paths of this machine, and `configuration` says them in words
                told = {key: bench.described(name, peer)[key] for key in TOLD}
                results.value["peers"][name] = {"title": peer.title, **told}
            failed_count += "error" in value
            print(f"{repeat}/{options.repeats} {measure:<13} {name:<20} {_words(value)}", flush=True)
            results.add((name, measure, repeat), value)
    finally:
        bench.stop()
    return failed_count


def _steps(peers: dict[str, Peer], options: argparse.Namespace) -> Iterator[tuple[int, str, str, Peer]]:
    for repeat in range(1, options.repeats + 1):
        for measure in options.measures:
            for name, peer in peers.items():
                if measure in peer.measures:
                    yield repeat, measure, name, peer


def _measured(bench: Bench, measurer: Measurer, name: str, peer: Peer, measure: str) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        value = measurer.measure(name, peer, measure)
    except MeasureError as error:
        print(f"{error}\n{bench.last_words(name)}", file=sys.stderr)
        value = {"error": str(error)}
    return value | {"load": load(), "took_seconds": round(time.monotonic() - begun, 1)}


def _words(value: dict[str, Any]) -> str:
    if "error" in value:
        return f"failed: {value['error']}"
    if "rate" in value:
        words = f"{value['rate']:,.0f}/s ({value['count']:,} in {value['seconds']:.1f} s)"
    else:
        words = f"p50 {value['p50']:.1f}, p95 {value['p95']:.1f}, p99 {value['p99']:.1f} ms"
    return f"{words}; load {value['load']}, took {value['took_seconds']} s"


if __name__ == "__main__":
    sys.exit(main())
