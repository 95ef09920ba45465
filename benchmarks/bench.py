"""The servers, environments and processes of one run: everything between the runner and a peer's client."""

import json
import os
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.peers import Peer
from benchmarks.processes import kill_tree
from benchmarks.runtimes import NODE_MODULES, client_command, peers_python, snapshot
from benchmarks.servers import PostgreSQL, valkey
from queuehub.tether import tethered

STOP_SECONDS = 5
STEP_SECONDS = 900
"""The longest wait for an answer: a backlog of a million is enqueued in it."""

WATCH_SECONDS = 0.5

Process = subprocess.Popen[str]


class MeasureError(Exception):
    """A measurement failed; the message holds the last words of the process that did."""


def environment(directory: Path, redis_url: str, database_url: str, secret_key: str) -> dict[str, str]:
    """Return what every process of a system gets: its stores, and production settings for QueueHub.

    Which settings Django is to use is left to each system: others, too, look for them.
    """
    hidden = ("QUEUEHUB_", "DJANGO_SETTINGS_MODULE")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(hidden)},
        "NODE_PATH": str(NODE_MODULES),
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "QUEUEHUB_ENV": "production",
        "QUEUEHUB_RUNTIME_DIR": str(directory),
        "SECRET_KEY": secret_key,
        "ALLOWED_HOSTS": "localhost",
    }


class Bench:
    """Private servers in `directory`, and the peers' processes on them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.code = snapshot(directory / "code")
        self.python = peers_python()
        self.valkey = valkey(directory / "valkey")
        self.redis = Redis(unix_socket_path=str(self.valkey.socket_path))
        self.postgresql = PostgreSQL(directory / "postgresql").start()
        self._secret_key = secrets.token_urlsafe(50)
        self._stores: set[str] = set()
        self._described: dict[str, dict[str, Any]] = {}

    def stop(self) -> None:
        """End the servers."""
        self.redis.close()
        self.postgresql.stop()
        self.valkey.stop()

    def described(self, name: str, peer: Peer) -> dict[str, Any]:
        """Return how a peer is set up; see `client.describe`."""
        if name not in self._described:
            with self.client(name, peer, "describe") as client:
                self._described[name] = answer(client)
        return self._described[name]

    def prepare(self, name: str, peer: Peer) -> None:
        """Leave the servers and the peer's tables as if nothing had been enqueued yet."""
        self.redis.flushall()
        self.act(name, peer, "prepare")
        self.postgresql.checkpoint()

    def act(self, name: str, peer: Peer, *arguments: object) -> None:
        """Let a peer's client do something that it does not answer."""
        with self.client(name, peer, *arguments) as client:
            if client.wait(STEP_SECONDS):
                raise MeasureError(f"the client ended with {client.returncode}")

    @contextmanager
    def client(self, name: str, peer: Peer, *arguments: object) -> Iterator[Process]:
        """Run a peer's client; its answers are lines on its standard output."""
        if peer.store == "postgresql" and name not in self._stores:
            self.postgresql.create(database_name(name))
            self._stores.add(name)
        command = [*client_command(peer.runtime, self.python, peer.module, peer.variant), *map(str, arguments)]
        with self._log(name).open("a") as log:
            process = self._spawn(name, peer, command, subprocess.PIPE, log)
        try:
            yield process
        finally:
            kill_tree(process)
            assert process.stdout is not None
            process.stdout.close()

    @contextmanager
    def started(self, name: str, peer: Peer, commands: Sequence[list[str]]) -> Iterator[list[Process]]:
        """Run a peer's workers or companions, and kill them at the end."""
        with self._log(name).open("a") as log:
            processes = [self._spawn(name, peer, command, log, log) for command in commands]
        try:
            yield processes
        finally:
            for process in processes:
                kill_tree(process)

    @contextmanager
    def running(self, name: str, peer: Peer, commands: Sequence[list[str]]) -> Iterator[list[Process]]:
        """Run a peer's workers or companions, and end them in good order."""
        with self.started(name, peer, commands) as processes:
            try:
                yield processes
                for process in processes:
                    if process.poll() is not None:
                        raise MeasureError(f"{process.args} ended by itself: see {self._log(name)}")
            finally:
                for process in processes:
                    process.send_signal(signal.SIGTERM)
                for process in processes:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(STOP_SECONDS)

    def path(self, name: str) -> Path:
        """Return the path of a file that is not there yet."""
        path = self.directory / name
        path.unlink(missing_ok=True)
        return path

    def last_words(self, name: str) -> str:
        """Return the end of what a peer's processes wrote."""
        log = self._log(name)
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def _spawn(self, name: str, peer: Peer, command: list[str], output: Any, log: Any) -> Process:
        return subprocess.Popen(
            tethered(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            text=True,
            cwd=self.code,
            env=self._environment(name, peer),
            start_new_session=True,
        )

    def _environment(self, name: str, peer: Peer) -> dict[str, str]:
        database = {
            "postgresql": self.postgresql.url(database_name(name)),
            "sqlite": f"sqlite:///{self.directory / 'queuehub.sqlite3'}",
            "redis": "",
        }[peer.store]
        common = environment(self.directory, f"unix://{self.valkey.socket_path}", database, self._secret_key)
        common["PYTHONPATH"] = str(self.code)
        return common | ({"DJANGO_SETTINGS_MODULE": "benchmarks.settings"} if peer.runtime == "project" else {})

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


def database_name(name: str) -> str:
    """Return the name of a peer's database."""
    return name.replace("-", "_")


def answer(
    client: Process, workers: Sequence[Process] = (), timeout_seconds: float = STEP_SECONDS
) -> dict[str, Any]:
    """Return the next line that a client says, as the value that it stands for.

    Raises: MeasureError if it ended or said nothing instead, or one of the workers ended on which it waits.
    """
    assert client.stdout is not None
    deadline = time.monotonic() + timeout_seconds
    # a line that waits in Python's buffer already was a client's last, and the end of the client is heard here too
    while not select.select([client.stdout], [], [], WATCH_SECONDS)[0]:
        if any(worker.poll() is not None for worker in workers):
            raise MeasureError("a worker ended by itself")
        if time.monotonic() > deadline:
            raise MeasureError(f"the client said nothing for {timeout_seconds:g} s")
    line = client.stdout.readline()
    if not line:
        raise MeasureError(f"the client ended with {client.wait()}")
    value: dict[str, Any] = json.loads(line)
    return value
