"""Process trees that are killed whole and started again, as a supervisor would.

A tree is a session of its own: every process that a worker forks is in it, whatever groups they make.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.bench import PROJECT
from queuehub.tether import tethered

_alive: dict[int, "Tree"] = {}
_over = threading.Event()


class Tree:
    """A worker or companion with all its children; `name` is in the journal lines of what it runs."""

    def __init__(self, slot: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.slot, self.command, self.environment, self.log = slot, list(command), dict(environment), log
        self.generation = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Slot and number of the start."""
        return f"{self.slot}.{self.generation}"

    @property
    def has_ended(self) -> bool:
        """Whether its first process ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def start(self) -> None:
        """Run the command in a session of its own, under the next name.

        Raises: RuntimeError after `kill_all`.
        """
        if _over.is_set():
            raise RuntimeError("the run was broken off")
        self.generation += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                tethered(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT,
                env={**self.environment, "SURVIVAL_TREE": self.name},
                start_new_session=True,
            )
        _alive[self.process.pid] = self

    def kill(self) -> None:
        """Send SIGKILL to all of its processes at once, until none is left."""
        if self.process is None:
            return
        while members := _members(self.process.pid):
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()
            time.sleep(0.005)
        self.process.wait()
        _alive.pop(self.process.pid, None)
        self.process = None


def kill_all() -> None:
    """Kill every tree that runs, and let none start again: for a runner that is broken off."""
    _over.set()
    for tree in list(_alive.values()):
        tree.kill()


def _members(session: int) -> list[int]:
    """Return the living processes of a session, its leader first."""
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session:
                found.append(process.pid)
    return sorted(found)
