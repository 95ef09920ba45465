"""The servers that tests start: a private PostgreSQL cluster. Valkey is `queuehub.embedded`.

It listens on a unix socket in the run's directory only and is tied to the test process, so that it ends with
it even by SIGKILL.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from queuehub.tether import tethered
from tests.run_directory import MARK

DEBIAN_BINARIES = Path("/usr/lib/postgresql")
# Nothing has to outlive a power failure.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
}


class MissingServiceError(Exception):
    """The machine lacks a program that a test needs; the message names it and its package."""


def postgresql_binaries() -> Path:
    """Return the directory with the newest installed initdb and postgres.

    Raises: MissingServiceError if there is none.
    """
    installed = [path.parent for path in DEBIAN_BINARIES.glob("*/bin/initdb")]
    if installed:
        return max(installed, key=lambda path: float(path.parent.name))
    for program in ("initdb", "pg_config"):
        found = shutil.which(program)
        if found and (Path(found).resolve().parent / "postgres").exists():
            return Path(found).resolve().parent
    raise MissingServiceError("PostgreSQL is not installed (Debian: apt install postgresql)")


class PostgreSQL:
    """One private cluster below `directory`, with the superuser "queuehub" and no password.

    `options` are its configuration; with a `port` it listens on 127.0.0.1, too; `prefix` are words before the
    command that runs it, such as `env` and what it sets.
    """

    def __init__(
        self, directory: Path, options: Mapping[str, str] = OPTIONS, port: int = 0, prefix: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.prefix = prefix
        self.options = dict(options)
        if port:
            self.options |= {"listen_addresses": "127.0.0.1", "port": str(port)}
        self.data = directory / "data"
        self.log_path = directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.user = _unprivileged_user()

    def start(self, timeout_seconds: float = 60) -> "PostgreSQL":
        """Create the cluster, run it and wait until it answers.

        Raises: MissingServiceError without PostgreSQL; RuntimeError, with the log, if it does not start.
        """
        binaries = postgresql_binaries()
        self.directory.mkdir(mode=0o755)
        if self.user != "-":
            shutil.chown(self.directory, self.user)
        creation = [
            binaries / "initdb", "--pgdata", self.data, "--username", "queuehub", "--auth", "trust",
            "--encoding", "UTF8", "--no-locale", "--no-sync",
        ]  # fmt: skip
        made = self._spawn(creation)
        if made.wait(timeout_seconds):
            raise RuntimeError(self._log())
        return self.run(timeout_seconds)

    def run(self, timeout_seconds: float = 60) -> "PostgreSQL":
        """Run the cluster that exists, and wait until it answers.

        Raises: RuntimeError, with the log, if it does not start.
        """
        command = [*self.prefix, postgresql_binaries() / "postgres", "-D", self.data, "-k", self.directory]
        for name, value in self.options.items():
            command += ["-c", f"{name}={value}"]
        self.process = self._spawn(command)
        self._wait_until_it_answers(timeout_seconds)
        return self

    def halt(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End the server and keep its data; SIGQUIT is an immediate shutdown, as after a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None

    def stop(self) -> None:
        """End the cluster at once, and remove it."""
        self.halt()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self, command: list[str | os.PathLike[str]]) -> subprocess.Popen[bytes]:
        # Without the run's mark: this server lives longer than a test and is no leak of one.
        environment = {name: value for name, value in os.environ.items() if name != MARK}
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                tethered(command, signal_name="SIGQUIT", user=self.user),
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                start_new_session=True,
            )

    def _wait_until_it_answers(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self._log()) from None
                time.sleep(0.05)
            else:
                return

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection of the superuser in autocommit, on the socket."""
        port = int(self.options.get("port", 5432))
        return psycopg.connect(
            host=str(self.directory), port=port, user="queuehub", dbname=database, autocommit=True
        )

    def _log(self) -> str:
        return self.log_path.read_text(errors="replace")


def _unprivileged_user() -> str:
    """Return the user for a server that refuses to run as root; "-" means the present one."""
    if os.getuid() != 0:
        return "-"
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
