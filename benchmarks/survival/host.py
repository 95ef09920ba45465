"""The host of one trial: a private Valkey, workers with their companions, and the client, restarted when they die."""

import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.bench import environment
from benchmarks.runtimes import PROJECT
from benchmarks.servers import PostgreSQL
from benchmarks.survival.systems import System
from benchmarks.survival.trees import Tree
from queuehub.embedded import EmbeddedServer
from queuehub.tether import tethered

TICK_SECONDS = 0.05
RESTART_SECONDS = 1.0
"""After this, a supervisor starts a process again that ended by itself."""


class TrialError(Exception):
    """A trial could not be made; the message holds the last words of the process that failed."""


class Host:
    """Everything that a trial runs, in `directory`; `begin` first, then `start`, `end` at last."""

    def __init__(self, system: System, directory: Path, python: Path, postgresql: PostgreSQL) -> None:
        self.directory = directory
        self.journal, self.acknowledged = directory / "journal", directory / "acknowledged"
        self.log = directory / "output.log"
        self.valkey = EmbeddedServer(directory / "valkey")
        self.self_ended_count = 0
        self._interpreter = Path(sys.executable) if system.module == "queuehub" else python
        self._database = ""
        if system.store == "postgresql":
            name = f"survival_{secrets.token_hex(6)}"
            postgresql.create(name)
            self._database = postgresql.url(name)
        self._environment = environment(directory, self.valkey.url, self._database, secrets.token_urlsafe(50)) | {
            "PYTHONPATH": str(PROJECT),
            "SURVIVAL_VARIANT": system.variant,
            "SURVIVAL_TREE": "client",
            "PYTHONUNBUFFERED": "1",
        }
        if system.module == "queuehub":
            self._environment["DJANGO_SETTINGS_MODULE"] = "benchmarks.survival.settings"
        self._module = system.module
        self._client: subprocess.Popen[str] | None = None
        self.workers: list[Tree] = []
        self.companions: list[Tree] = []

    def begin(self) -> dict[str, Any]:
        """Start the broker and the client, and return how the system is set up; see `client.described`."""
        self.valkey.start()
        with self.log.open("ab") as log:
            self._client = subprocess.Popen(
                tethered([self._interpreter, "-m", "benchmarks.survival.client", self._module]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=PROJECT,
                env=self._environment,
                start_new_session=True,
            )
        told = self.answer()
        self.workers = [self._tree(f"worker-{n}", command) for n, command in enumerate(told["workers"])]
        self.companions = [self._tree(f"companion-{n}", command) for n, command in enumerate(told["companions"])]
        return told

    def start(self) -> None:
        """Start the workers and their companions."""
        for tree in self.trees:
            tree.start()

    @property
    def trees(self) -> list[Tree]:
        """All process trees."""
        return [*self.workers, *self.companions]

    def ask(self, *words: object) -> None:
        """Tell the client to do something; `answer` waits for it."""
        assert self._client is not None
        assert self._client.stdin is not None
        print(*words, file=self._client.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        """Return what the client says next.

        Raises: TrialError if it ended instead.
        """
        assert self._client is not None
        assert self._client.stdout is not None
        line = self._client.stdout.readline()
        if not line:
            raise TrialError(f"the client ended with {self._client.wait()}: {self.last_words()}")
        value: dict[str, Any] = json.loads(line)
        return value

    def pause(self, seconds: float) -> None:
        """Wait, and start again what ends by itself meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for tree in self.trees:
                if tree.has_ended:
                    self.self_ended_count += 1
                    tree.kill()
                    time.sleep(RESTART_SECONDS)
                    tree.start()
            time.sleep(min(TICK_SECONDS, left))

    def kill_broker(self) -> None:
        """Kill Valkey, which saves nothing."""
        assert self.valkey.process is not None
        self.valkey.process.kill()
        self.valkey.process.wait()

    def restart_broker(self) -> None:
        """Start an empty Valkey in the place of the one that was killed."""
        self.valkey.start()

    def last_words(self) -> str:
        """Return the end of what the processes wrote."""
        return self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""

    def end(self) -> None:
        """Kill everything."""
        for tree in self.trees:
            tree.kill()
        if self._client is not None:
            with suppress(ProcessLookupError):
                os.kill(self._client.pid, 9)
            self._client.wait()
            for pipe in (self._client.stdin, self._client.stdout):
                with suppress(BrokenPipeError):
                    pipe.close()  # type: ignore[union-attr] # both are pipes
        self.valkey.stop()

    def _tree(self, slot: str, command: list[str]) -> Tree:
        return Tree(slot, command, self._environment, self.log)
