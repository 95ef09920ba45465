"""Tasks of these tests: each says in the journal that it runs, and then does what its name says."""

import asyncio
import os
import signal
import time
from collections import deque
from itertools import repeat
from pathlib import Path

from django.contrib.auth.models import User

from jobs import task
from tests.journal import BEGAN, ENDED, append
from tests.stubborn import sleep_through


@task
def nothing() -> None:
    """Do nothing."""


@task
def note(path: str, key: str) -> None:
    """Be done at once."""
    append(path, BEGAN, key)


@task
def work(path: str, key: str, seconds: float) -> None:
    """Sleep, interruptibly."""
    append(path, BEGAN, key)
    time.sleep(seconds)
    append(path, ENDED, key)


@task
def hang_once(path: str, key: str, seconds: float = 60) -> None:
    """Sleep in the first run; be done at once in any other."""
    is_first = f"{BEGAN} {key} " not in Path(path).read_text()
    append(path, BEGAN, key)
    if is_first:
        time.sleep(seconds)
    append(path, ENDED, key)


@task
def wait_while(path: str, key: str, flag: str) -> None:
    """Wait as long as a file exists."""
    append(path, BEGAN, key)
    while Path(flag).exists():
        time.sleep(0.02)
    append(path, ENDED, key)


@task
def ask_ledger_and_wait_while(path: str, key: str, flag: str) -> None:
    """Use the application's own tables, then wait as long as a file exists."""
    User.objects.exists()
    append(path, BEGAN, key)
    while Path(flag).exists():
        time.sleep(0.02)
    append(path, ENDED, key)


@task
def crash(path: str, key: str) -> None:
    """Take the process down."""
    append(path, BEGAN, key)
    os.kill(os.getpid(), signal.SIGKILL)


@task(timeout_seconds=1, max_attempts=1)
def hold_the_interpreter(path: str, key: str) -> None:
    """Loop for ever in C code that neither lets go of the interpreter nor looks for signals."""
    append(path, BEGAN, key)
    deque(repeat(None), maxlen=0)


@task(max_attempts=1)
def fail(path: str, key: str) -> None:
    """Raise."""
    append(path, BEGAN, key)
    raise ValueError(key)


@task(max_attempts=1)
def refuse_to_end(path: str, key: str, seconds: float) -> None:
    """Go on whatever is raised inside."""
    append(path, BEGAN, key)
    sleep_through(BaseException, seconds)
    append(path, ENDED, key)


@task
async def pause() -> None:
    """Sleep for a moment on the event loop."""
    await asyncio.sleep(0.001)


@task
def write_user(name: str) -> None:
    """Write to the application's own tables through the ORM."""
    User.objects.create(username=name)
