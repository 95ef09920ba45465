"""The job that every system is given, and its journal. Nothing but the standard library."""

import os
import time

BEGAN, ENDED = "began", "ended"


def job(journal: str, key: str, milliseconds: float) -> None:
    """Write down that this begins, sleep, and write down that it has ended."""
    _append(journal, BEGAN, key)
    time.sleep(milliseconds / 1000)
    _append(journal, ENDED, key)


def _append(journal: str, event: str, key: str) -> None:
    # One write to a file opened with O_APPEND: lines of many processes never mix, and a killed process loses none.
    line = f"{event} {key} {os.environ['SURVIVAL_TREE']} {time.monotonic():.6f}\n"
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
