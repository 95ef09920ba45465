"""The servers, environments and processes of one run: everything between the runner and a peer's client."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.peers import Peer
from benchmarks.servers import PostgreSQL, valkey
from queuehub.tether import tethered

PROJECT = Path(__file__).resolve().parent.parent
CACHE = PROJECT / "var" / "benchmarks"
REQUIREMENTS = PROJECT / "benchmarks" / "requirements.txt"
STOP_SECONDS = 15
STEP_SECONDS = 240


class MeasureError(Exception):
    """A measurement failed; the message holds the last words of the process that did."""


def peers_python() -> Path:
    """Return the interpreter of the peers' own environment, which is made when its requirements have changed."""
    home = CACHE / "venv"
    python, mark = home / "bin" / "python", home / "requirements.txt"
    if not mark.exists() or mark.read_text() != REQUIREMENTS.read_text():
        print("installing the peers …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        mark.write_text(REQUIREMENTS.read_text())
    return python


def environment(directory: Path, redis_url: str, database_url: str, secret_key: str) -> dict[str, str]:
    """Return what every process of a system gets: its stores, and production settings for QueueHub."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("QUEUEHUB_")},
        "PYTHONPATH": str(PROJECT),
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "QUEUEHUB_ENV": "production",
        "QUEUEHUB_RUNTIME_DIR": str(directory),
        "SECRET_KEY": secret_key,
        "ALLOWED_HOSTS": "localhost",
    }


class Bench:
    """Private servers in `directory`, and the peers' processes on them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
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
        with self.client(name, peer, "prepare") as client:
            _end(client)
        self.postgresql.checkpoint()

    @contextmanager
    def client(self, name: str, peer: Peer, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
        """Run `client.py` for a peer; its answers are lines on its standard output."""
        if peer.store == "postgresql" and name not in self._stores:
            self.postgresql.create(_database(name))
            self._stores.add(name)
        python = Path(sys.executable) if peer.has_project_environment else self.python
        command = [python, "-m", "benchmarks.client", peer.module, peer.variant, *map(str, arguments)]
        with self._log(name).open("a") as log:
            process = self._spawn(name, peer, [str(part) for part in command], subprocess.PIPE, log)
        try:
            yield process
        finally:
            _kill(process)

    @contextmanager
    def running(self, name: str, peer: Peer, commands: Sequence[list[str]]) -> Iterator[None]:
        """Run a peer's workers or companions, and end them in good order."""
        with self._log(name).open("a") as log:
            processes = [self._spawn(name, peer, command, log, log) for command in commands]
        try:
            yield
            for process in processes:
                if process.poll() is not None:
                    raise MeasureError(f"{process.args} ended by itself: see {self._log(name)}")
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                _kill(process)

    def last_words(self, name: str) -> str:
        """Return the end of what a peer's processes wrote."""
        return self._log(name).read_text(errors="replace")[-2000:]

    def _spawn(self, name: str, peer: Peer, command: list[str], output: Any, log: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            tethered(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            text=True,
            cwd=PROJECT,
            env=self._environment(name, peer),
            start_new_session=True,
        )

    def _environment(self, name: str, peer: Peer) -> dict[str, str]:
        database = {
            "postgresql": self.postgresql.url(_database(name)),
            "sqlite": f"sqlite:///{self.directory / 'queuehub.sqlite3'}",
            "redis": "",
        }[peer.store]
        return environment(self.directory, f"unix://{self.valkey.socket_path}", database, self._secret_key)

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


def _database(name: str) -> str:
    return name.replace("-", "_")


def answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the next line that a client says, as the value that it stands for.

    Raises: MeasureError if it ended instead.
    """
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise MeasureError(f"the client ended with {process.wait()}")
    value: dict[str, Any] = json.loads(line)
    return value


def _end(process: "subprocess.Popen[str]") -> None:
    if process.wait(STEP_SECONDS):
        raise MeasureError(f"the client ended with {process.returncode}")


def _kill(process: "subprocess.Popen[str]") -> None:
    """Kill a process with its whole group, and reap it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
