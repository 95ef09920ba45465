"""Tasks that tests enqueue, driven by their arguments; real processes find them here too."""

import asyncio
import itertools
import os
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any

from jobs import task


@task
def add(a: int, b: int = 0) -> int:
    """Return the sum."""
    return a + b


@task(max_attempts=1)
def fail(message: str = "this task fails") -> None:
    """Raise."""
    raise ValueError(message)


@task
def note(path: str, text: str = "x") -> None:
    """Append a line to a file, which tells how often it ran."""
    with Path(path).open("a") as file:
        file.write(f"{text}\n")


@task
def wait(seconds: float) -> float:
    """Sleep, interruptibly."""
    time.sleep(seconds)
    return seconds


@task
def wait_while(flag: str) -> None:
    """Wait as long as a file exists."""
    while Path(flag).exists():
        time.sleep(0.02)


@task
async def wait_async(seconds: float) -> float:
    """Sleep on the event loop."""
    await asyncio.sleep(seconds)
    return seconds


@task(timeout_seconds=1, max_attempts=1)
def overrun() -> None:
    """Run longer than it may, in code that a signal can interrupt."""
    time.sleep(60)


@task(timeout_seconds=1, max_attempts=1)
def hold_the_interpreter() -> None:
    """Loop for ever in C code that neither lets go of the interpreter nor looks at signals."""
    deque(itertools.repeat(None), maxlen=0)


@task
def kill_own_process() -> None:
    """Die without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(takes_context=True)
def until_cancelled(context: Any, seconds: float = 60) -> bool:
    """Wait for a cancel request; return whether it came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if context.cancelled:
            return True
        time.sleep(0.02)
    return False
