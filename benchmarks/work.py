"""The work that every system is given. Nothing but the standard library, so that all of them can import it."""

import functools
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

BEGAN, ENDED = "began", "ended"


def noop() -> None:
    """Do nothing: what is left is the queue's own cost."""


def work(milliseconds: float) -> None:
    """Use this much processor time of the current thread, whatever else the machine does."""
    ends_seconds = time.thread_time() + milliseconds / 1000
    while time.thread_time() < ends_seconds:
        pass


def stamp(path: str, sent_nanoseconds: int) -> None:
    """Append a line to a file: when this began and when it was sent, both by the machine's monotonic clock."""
    _append(path, f"{time.monotonic_ns()} {sent_nanoseconds}\n")


def mark(path: str, key: int, milliseconds: float) -> None:
    """Append a line to a file when this begins, sleep, and append another one when it has ended."""
    _append(path, f"{BEGAN} {key}\n")
    time.sleep(milliseconds / 1000)
    _append(path, f"{ENDED} {key}\n")


FUNCTIONS: tuple[Callable[..., None], ...] = (noop, work, stamp, mark)
"""All of them, for systems that want to be told of each."""


def as_coroutine(function: Callable[..., None]) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return the function for systems that run coroutines faster than functions, which they hand to a thread."""

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    return run


def _append(path: str, line: str) -> None:
    # one write to a file opened with O_APPEND: lines of many processes never mix, and a killed process loses none
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
