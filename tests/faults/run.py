"""Runs the fault tests at full length on both ledgers and publishes their records: `python -m tests.faults.run`.

A run that was cut off goes on where it stopped: tests that have passed are left out, until `--fresh`. What is not
known here is handed to pytest: `python -m tests.faults.run -k flush`.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.faults import publish

PROJECT = Path(__file__).resolve().parents[2]
NOTHING_TO_DO = 5
"""pytest's exit code when every test is left out."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledgers", nargs="+", choices=publish.LEDGERS, default=list(publish.LEDGERS))
    parser.add_argument("--seconds", type=float, default=30, help="how long a fault goes on under load (30)")
    parser.add_argument("--processes", type=int, default=3, help="tests at once (3)")
    parser.add_argument("--records", type=Path, default=PROJECT / "var" / "faults", help="where the records are kept")
    parser.add_argument("--fresh", action="store_true", help="forget what has passed")
    options, others = parser.parse_known_args()
    if options.fresh:
        shutil.rmtree(options.records, ignore_errors=True)
    codes = [run(ledger, options, others) for ledger in options.ledgers]
    publish.publish(options.records)
    return max(code for code in codes if code != NOTHING_TO_DO) if set(codes) != {NOTHING_TO_DO} else 0


def run(ledger: str, options: argparse.Namespace, others: list[str]) -> int:
    """Run what has not passed yet on one ledger; return pytest's exit code."""
    command = [
        sys.executable, "-m", "pytest", "tests/faults", "-m", "fault", "-n", str(options.processes), "--dist", "load",
        "--fault-seconds", str(options.seconds), "--fault-records", str(options.records), *others,
    ]  # fmt: skip
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, "QUEUEHUB_TEST_LEDGER": ledger}).returncode


if __name__ == "__main__":
    sys.exit(main())
