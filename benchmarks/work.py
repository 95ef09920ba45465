"""The work that every system is given. Nothing but the standard library, so that all of them can import it."""

import os
import time


def noop() -> None:
    """Do nothing: what is left is the queue's own cost."""


def work(milliseconds: float) -> None:
    """Use this much processor time of the current thread, whatever else the machine does."""
    ends_seconds = time.thread_time() + milliseconds / 1000
    while time.thread_time() < ends_seconds:
        pass


def stamp(path: str, sent_nanoseconds: int) -> None:
    """Append a line to a file: when this began and when it was sent, both by the machine's monotonic clock."""
    line = f"{time.monotonic_ns()} {sent_nanoseconds}\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
