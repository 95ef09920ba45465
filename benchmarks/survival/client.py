"""The producer of a trial, which afterwards tells what the system still holds; in the system's own interpreter.

`python -m benchmarks.survival.client MODULE` reads commands from its standard input and answers on its standard
output, one JSON value a line. Times are readings of the machine's monotonic clock, which all processes share.
"""

import importlib
import importlib.metadata
import json
import os
import sys
import time
from typing import Any

from benchmarks.survival.adapter import Survivor


def say(value: dict[str, Any]) -> None:
    """Tell the runner."""
    print(json.dumps(value), flush=True)


def described(system: Survivor) -> dict[str, Any]:
    """Return how the system is set up, and the commands that it needs."""
    return {
        "configuration": system.configuration,
        "versions": {name: importlib.metadata.version(name) for name in system.packages},
        "python": sys.version.split()[0],
        "workers": system.workers(),
        "companions": system.companions(),
    }


def produce(
    system: Survivor, first: int, count: int, rate: float, milliseconds: float, log: str, journal: str
) -> dict[str, Any]:
    """Enqueue jobs at an even pace; each that the system accepts is written to `log` and synced to disk.

    An error of the system means that nothing was promised: that job is counted as refused, and the next one is sent.
    """
    refused_count = 0
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    begun = time.monotonic()
    for number in range(first, first + count):
        time.sleep(max(0.0, begun + (number - first) / rate - time.monotonic()))
        try:
            system.enqueue(str(number), journal, milliseconds)
        except Exception as error:
            refused_count += 1
            print(f"refused {number}: {error!r}", file=sys.stderr, flush=True)
            continue
        os.write(file, f"{number} {time.monotonic():.6f}\n".encode())
        os.fdatasync(file)
    os.close(file)
    return {"refused": refused_count, "seconds": time.monotonic() - begun}


def main(module: str) -> None:
    """Prepare the system, say how it is set up, and do what the runner asks for."""
    system: Survivor = importlib.import_module(f"benchmarks.survival.peers.{module}").survivor()
    system.prepare()
    say(described(system))
    for line in sys.stdin:
        match line.split():
            case ["produce", first, count, rate, milliseconds, log, journal]:
                say(produce(system, int(first), int(count), float(rate), float(milliseconds), log, journal))
            case ["held"]:
                say(system.held())
            case _:
                raise SystemExit(f"unknown: {line}")


if __name__ == "__main__":
    main(*sys.argv[1:])
