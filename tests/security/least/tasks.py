"""Tasks that go through every way a job can go; each asks for no right beyond the engine's own."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from jobs import task
from jobs.retry import Fixed


@task
def nothing() -> None:
    """Do nothing."""


@task
def parent() -> str:
    """Enqueue another job."""
    return str(nothing.enqueue().id)


@task(max_attempts=1)
def divide(number: int, by: int) -> float:
    """Divide; dead if `by` is 0."""
    return number / by


@task(max_attempts=2, retry=Fixed(seconds=0.5, jitter=False))
def succeed_later(flag: str) -> None:
    """Fail the first time, be done the second."""
    if not Path(flag).exists():
        Path(flag).touch()
        raise ValueError("not yet")


@task
def kill_worker_once(flag: str) -> None:
    """Take the worker down the first time."""
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)


@task(takes_context=True)
def until_cancelled(context: Any) -> None:
    """Report progress until somebody cancels."""
    deadline = time.monotonic() + 60
    while not context.cancelled and time.monotonic() < deadline:
        context.progress(1, 2, "waiting")
        time.sleep(0.05)


@task
def hold_once(flag: str) -> None:
    """Go on until the worker is killed; be done at once in the next run."""
    if not Path(flag).exists():
        Path(flag).touch()
        time.sleep(60)
