"""The servers that the benchmarks start for themselves: a PostgreSQL that keeps every promise, and a Valkey.

Both listen on unix sockets in the run's own directory only and end with the runner, even by SIGKILL.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from queuehub.embedded import EmbeddedServer
from queuehub.tether import tethered

DEBIAN_BINARIES = Path("/usr/lib/postgresql")
# Durability as it ships; memory and checkpoints as one sets them on any server, for all systems alike.
POSTGRESQL_OPTIONS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "shared_preload_libraries": "pg_stat_statements",
    # counting costs time: only the measurement that wants it switches it on, for its database
    "pg_stat_statements.track": "none",
}
COUNTED = """
SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
JOIN pg_database ON pg_database.oid = dbid WHERE datname = %s
"""


class ServerError(Exception):
    """A server is missing or does not start; the message says which and why."""


def postgresql_binaries() -> Path | None:
    """Return the directory of the newest initdb and postgres; None without one."""
    installed = [path.parent for path in DEBIAN_BINARIES.glob("*/bin/initdb")]
    if installed:
        return max(installed, key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PostgreSQL:
    """One private cluster below `directory` with the superuser "queuehub"."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.log_path = directory, directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        # postgres refuses to run as root
        names = {entry.pw_name for entry in pwd.getpwall()}
        self.user = "-" if os.getuid() else "postgres" if "postgres" in names else "nobody"

    def start(self, timeout_seconds: float = 60) -> "PostgreSQL":
        """Create the cluster and wait until it answers.

        Raises: ServerError.
        """
        binaries = postgresql_binaries()
        if binaries is None:
            raise ServerError("PostgreSQL is not installed (Debian: apt install postgresql)")
        self.directory.mkdir(mode=0o755)
        if self.user != "-":
            shutil.chown(self.directory, self.user)
        data = self.directory / "data"
        creation = [binaries / "initdb", "-D", data, "-U", "queuehub", "-A", "trust", "-E", "UTF8", "--no-locale"]
        if self._spawn(creation).wait(timeout_seconds):
            raise ServerError(self.log_path.read_text(errors="replace"))
        command = [binaries / "postgres", "-D", data, "-k", self.directory]
        for name, value in POSTGRESQL_OPTIONS.items():
            command += ["-c", f"{name}={value}"]
        self.process = self._spawn(command)
        deadline = time.monotonic() + timeout_seconds
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(self.log_path.read_text(errors="replace"))
            time.sleep(0.05)
        with self._connected() as link:
            link.execute("CREATE EXTENSION pg_stat_statements")
        return self

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgres://queuehub@/{database}?host={self.directory}"

    def create(self, database: str) -> None:
        """Create an empty database, in place of an older one."""
        with self._connected() as link:
            link.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            link.execute(f"CREATE DATABASE {database}")

    def checkpoint(self) -> None:
        """Write everything out, so that no measurement pays for what went before it."""
        with self._connected() as link:
            link.execute("CHECKPOINT")

    @contextmanager
    def counting(self, database: str) -> Iterator[None]:
        """Count the statements of what connects to a database meanwhile."""
        with self._connected() as link:
            link.execute(f"ALTER DATABASE {database} SET pg_stat_statements.track = 'top'")
        try:
            yield
        finally:
            with self._connected() as link:
                link.execute(f"ALTER DATABASE {database} RESET pg_stat_statements.track")

    def statement_count(self, database: str) -> int:
        """Return how many statements were counted, BEGIN and COMMIT included."""
        with self._connected() as link:
            return int(link.execute(COUNTED, [database]).fetchone()[0])  # type: ignore[index] # one row

    def wal_bytes(self) -> int:
        """Return how much was written to the log since the cluster was made."""
        with self._connected() as link:
            return int(link.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()[0])  # type: ignore[index]

    def set_autovacuum(self, is_on: bool) -> None:
        """Let the server look after its tables by itself, or not."""
        with self._connected() as link:
            link.execute(f"ALTER SYSTEM SET autovacuum = {'on' if is_on else 'off'}")
            link.execute("SELECT pg_reload_conf()")

    def version(self) -> str:
        """Return the server's version."""
        with self._connected() as link:
            return str(link.execute("SHOW server_version").fetchone()[0])  # type: ignore[index] # one row

    def stop(self) -> None:
        """End the cluster at once."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=30)
            self.process = None

    def _connected(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(host=str(self.directory), user="queuehub", dbname="postgres", autocommit=True)

    def _answers(self) -> bool:
        try:
            self._connected().close()
        except psycopg.OperationalError:
            return False
        return True

    def _spawn(self, command: list[str | os.PathLike[str]]) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                tethered(command, signal_name="SIGQUIT", user=self.user),
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )


def valkey(directory: Path) -> EmbeddedServer:
    """Start a private Valkey without persistence, which is the fastest that peers on Redis can have."""
    return EmbeddedServer(directory).start()
