"""Processes whose clock is wrong; the monotonic clock, which orders the records, stays true.

Processes of ours travel by `time_machine`; PostgreSQL, which is not Python, by libfaketime.
"""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

VARIABLE = "FAULTS_CLOCK_SHIFT_SECONDS"
LIBRARIES = ("usr/lib/*/faketime/libfaketimeMT.so.1", "usr/lib*/faketime/libfaketimeMT.so.1")


class NoFakeTimeError(Exception):
    """libfaketime is not installed; the message names its package."""


def shifted(seconds: float) -> dict[str, str]:
    """Return the environment of a process of ours whose clock is ahead by `seconds`, or behind if negative."""
    return {VARIABLE: f"{seconds:.0f}"}


def travel() -> None:
    """Shift this process's clock for good, as its environment says; for the settings module."""
    if seconds := float(os.environ.get(VARIABLE) or 0):
        time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True).start()


def server_prefix(seconds: float) -> list[str]:
    """Return the words before a server's command that shift its clock.

    Raises: NoFakeTimeError.
    """
    found = [path for pattern in LIBRARIES for path in Path("/").glob(pattern)]
    if not found:
        raise NoFakeTimeError("libfaketime is not installed (Debian: apt install faketime)")
    true_clocks = ["FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]
    return [shutil.which("env") or "env", f"LD_PRELOAD={found[0]}", f"FAKETIME={seconds:+.0f}", *true_clocks]
