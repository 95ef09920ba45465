"""The independent log of side effects: tasks append lines to a file, tests count what really ran.

Each line is one write to a file opened with O_APPEND, so that lines of many processes never mix.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BEGAN, ENDED = "began", "ended"


@dataclass(frozen=True)
class Line:
    """One side effect: what happened to which key, in which process, at which reading of the monotonic clock."""

    event: str
    key: str
    node: str
    pid: int
    at_seconds: float


def append(path: str, event: str, key: object) -> None:
    """Append one line; called by tasks."""
    append_many(path, event, [key])


def append_many(path: str, event: str, keys: Iterable[object], *, is_synced: bool = False) -> None:
    """Append one line per key; `is_synced` returns when they are on the disk."""
    node = os.environ.get("QUEUEHUB_NODE", "-")
    end = f" {node} {os.getpid()} {time.monotonic():.6f}\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, "".join(f"{event} {key}{end}" for key in keys).encode())
        if is_synced:
            os.fdatasync(file)
    finally:
        os.close(file)


class Journal:
    """The log of one test; `path` is what its tasks get as their first argument."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        path.touch()

    def lines(self, event: str = BEGAN) -> list[Line]:
        """Return the lines of one kind in the order in which they were written."""
        parts = (line.split() for line in Path(self.path).read_text().splitlines())
        return [
            Line(kind, key, node, int(pid), float(at)) for kind, key, node, pid, at in parts if kind == event
        ]

    def runs(self) -> Counter[str]:
        """Count the runs that began, by key."""
        return Counter(line.key for line in self.lines())

    def run_count(self) -> int:
        """Count all runs that began."""
        return len(self.lines())
