"""Process trees that are killed whole and started again, as a supervisor would."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.processes import kill_tree
from benchmarks.runtimes import PROJECT
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
        kill_tree(self.process)
        _alive.pop(self.process.pid, None)
        self.process = None


def kill_all() -> None:
    """Kill every tree that runs, and let none start again: for a runner that is broken off."""
    _over.set()
    for tree in list(_alive.values()):
        tree.kill()
