"""Signs of life for supervisors: a small file that each pool and scheduler renews while it is in order.

A pool or scheduler that cannot reach the ledger or Redis is in order: it goes on by itself when they are back, and a
pool keeps the ends of runs until then. Such a file says so, so that a probe of readiness can tell.
"""

import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.conf import get_settings
from jobs.host import is_same_process, process_started_at

logger = logging.getLogger("jobs.heartbeat")

ROLES = ("worker", "scheduler")


@dataclass(frozen=True, slots=True)
class Sign:
    """What one process said last."""

    pid: int
    age_seconds: float
    is_beating: bool
    """Whether its heartbeats, or its requests for the lease, reach the ledger."""


class HeartbeatFile:
    """The file of this process; without QUEUEHUB["HEARTBEAT_DIRECTORY"] there is none."""

    def __init__(self, role: str) -> None:
        directory = get_settings().heartbeat_directory
        self.path = Path(directory) / f"{role}-{os.getpid()}.json" if directory else None
        self._started_at = process_started_at(os.getpid()) or 0.0
        self._renewed_seconds = float("-inf")
        self._is_well = True

    def renew(self, *, is_beating: bool) -> None:
        """Say that this process is in order; at most once in HEARTBEAT_SECONDS, and never raises for the disk."""
        now = time.monotonic()
        if self.path is None or now - self._renewed_seconds < get_settings().heartbeat_seconds:
            return
        self._renewed_seconds = now
        # not the time of the file: clocks are set, and this one is the same for all processes of a machine
        told = {"pid_started_at": self._started_at, "renewed_seconds": now, "is_beating": is_beating}
        fresh = self.path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(told))
            fresh.replace(self.path)
        except OSError as error:
            if self._is_well:
                logger.error("cannot write %s: %s", self.path, error)
            self._is_well = False
        else:
            self._is_well = True

    def remove(self) -> None:
        """Say nothing more: this process ends in good order."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()


def signs(role: str) -> list[Sign]:
    """Return the signs of the processes of this role that live on this machine, by pid.

    Raises: OSError if the directory cannot be read.
    """
    found = []
    for path in sorted(Path(get_settings().heartbeat_directory).iterdir()):
        name, _, number = path.stem.partition("-")
        if name != role or path.suffix != ".json" or not number.isdecimal():
            continue
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # it has just ended, or is not ours
            told = json.loads(path.read_text())
            if is_same_process(int(number), float(told["pid_started_at"])):
                age_seconds = time.monotonic() - float(told["renewed_seconds"])
                found.append(Sign(int(number), age_seconds, bool(told["is_beating"])))
    return found
