"""Tasks that harm the worker they run in, each in its own way."""

import ctypes
import os
import signal
import subprocess
import time
from collections import deque
from itertools import repeat
from pathlib import Path

from jobs import task
from jobs.retry import Fixed
from tests.journal import BEGAN, ENDED, append
from tests.stubborn import sleep_through

SOON = Fixed(seconds=0.2, jitter=False)

# A process that finds this file at its start waits for its end: a module that hangs at import.
while (flag := os.environ.get("FAULTS_HANG_AT_BOOT")) and Path(flag).exists():
    time.sleep(0.05)


@task(retry=SOON)
def poison(path: str, key: str) -> None:
    """Kill the worker, always."""
    append(path, BEGAN, key)
    os.kill(os.getpid(), signal.SIGKILL)


@task(retry=SOON)
def exit_with_zero(path: str, key: str) -> None:
    """Leave the process without any clean-up, as if all were well."""
    append(path, BEGAN, key)
    os._exit(0)


@task(retry=SOON)
def segfault(path: str, key: str) -> None:
    """Read what is not there."""
    append(path, BEGAN, key)
    ctypes.string_at(0)


@task(timeout_seconds=1, max_attempts=1)
def spin(path: str, key: str) -> None:
    """Loop for ever in C code that neither lets go of the interpreter nor looks for signals."""
    append(path, BEGAN, key)
    deque(repeat(None), maxlen=0)


@task(timeout_seconds=1, max_attempts=1)
def swallow(path: str, key: str, seconds: float) -> None:
    """Go on whatever is raised inside."""
    append(path, BEGAN, key)
    sleep_through(BaseException, seconds)
    append(path, ENDED, key)


@task(max_attempts=2, retry=SOON)
def hog(path: str, key: str, megabytes: int) -> None:
    """Use memory, all of it."""
    append(path, BEGAN, key)
    pieces = [os.urandom(1 << 20) for _ in range(megabytes)]
    append(path, ENDED, key)
    del pieces


@task(retry=SOON)
def leave_a_child(path: str, key: str, seconds: int) -> None:
    """Start a program that outlives the job."""
    append(path, BEGAN, key)
    subprocess.Popen(["sleep", str(seconds)], start_new_session=True)
    append(path, ENDED, key)


@task(retry=SOON)
def fork_and_die(path: str, key: str, seconds: int) -> None:
    """Fork a process that keeps every handle of the worker open, and kill the worker; succeed in the second run."""
    is_first = f"{BEGAN} {key} " not in Path(path).read_text()
    append(path, BEGAN, key)
    if is_first and os.fork() == 0:
        time.sleep(seconds)
        os._exit(0)
    if is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    append(path, ENDED, key)


@task(retry=SOON)
def linger(path: str, key: str, seconds: float) -> None:
    """Take a while, without the ledger."""
    append(path, BEGAN, key)
    time.sleep(seconds)
    append(path, ENDED, key)


class Unprintable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@task(max_attempts=1)
def unstorable(path: str, key: str, number: int) -> object:
    """End with something that no database takes, another thing each time."""
    append(path, BEGAN, key)
    if number % 4 == 0:
        raise Unprintable
    return (object(), {"a": {1, 2}}, {1, 2}, b"bytes")[number % 4]


@task(max_attempts=1)
def contested(path: str, key: str, seconds: float) -> None:
    """Succeed or fail by the key's last digit."""
    append(path, BEGAN, key)
    time.sleep(seconds)
    if int(key[-1], 16) % 2:
        raise ValueError(key)
    append(path, ENDED, key)
