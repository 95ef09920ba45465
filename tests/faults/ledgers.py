"""The ledgers under fault, durable as in production: a PostgreSQL that can crash and come back, and a SQLite file."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import PostgreSQL
from tests.support import PROJECT, free_port

DATABASE = "queuehub"
EFFECTS = "CREATE TABLE effects (key text NOT NULL)"
OPTIONS = {"max_connections": "100", "log_min_messages": "warning"}


class Ledger:
    """What the tests ask of either database."""

    name = ""
    url = ""
    key = ""
    """The SQL of a job's key, its second argument."""

    port = 0
    """TCP port of the server; 0 if it is a file."""

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement past all proxies, in a transaction of its own, and return its rows; %s are the values."""
        raise NotImplementedError

    def epoch(self, column: str) -> str:
        """Return the SQL of a time as seconds since 1970."""
        raise NotImplementedError

    def stop(self) -> None:
        """End and remove it."""


class SQLiteLedger(Ledger):
    """One SQLite file, a copy of the template."""

    name = "sqlite"
    key = "json_extract(args, '$[1]')"

    def __init__(self, template: Path, directory: Path) -> None:
        self.path = directory / "ledger.sqlite3"
        shutil.copyfile(template / "ledger.sqlite3", self.path)
        self.url = f"sqlite:///{self.path}"

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            return connection.execute(statement.replace("%s", "?"), values).fetchall()
        finally:
            connection.close()

    def epoch(self, column: str) -> str:
        return f"(julianday({column}) - 2440587.5) * 86400"


class PostgreSQLLedger(Ledger):
    """One cluster on a TCP port, a copy of the template's data."""

    name = "postgresql"
    Error = psycopg.Error
    key = "args->>1"

    def __init__(self, template: Path, directory: Path, prefix: Sequence[str] = (), **options: str) -> None:
        self.port = free_port()
        self.server = PostgreSQL(directory / "postgresql", {**OPTIONS, **options}, self.port, prefix)
        self.server.directory.mkdir(mode=0o755)
        directory.chmod(0o711)
        subprocess.run(["cp", "-a", template / "postgresql" / "data", self.server.data], check=True)
        if self.server.user != "-":
            shutil.chown(self.server.directory, self.server.user)
        self.server.run()
        self.url = f"postgres://queuehub@127.0.0.1:{self.port}/{DATABASE}"

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.server.connect(DATABASE) as connection:
            cursor = connection.execute(statement, values or None)  # type: ignore[arg-type] # not a literal
            return cursor.fetchall() if cursor.description else []

    def epoch(self, column: str) -> str:
        return f"EXTRACT(EPOCH FROM {column})"

    def stop(self) -> None:
        self.server.stop()


def make_template(name: str, directory: Path) -> None:
    """Make an empty, migrated ledger that tests copy: below `directory`, which has to exist."""
    if name == "sqlite":
        path = directory / "ledger.sqlite3"
        _migrate(f"sqlite:///{path}")
        connection = sqlite3.connect(path)
        connection.execute(EFFECTS)
        connection.close()
        return
    directory.chmod(0o711)
    server = PostgreSQL(directory / "postgresql", OPTIONS, free_port()).start()
    try:
        with server.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        _migrate(f"postgres://queuehub@/{DATABASE}?host={server.directory}&port={server.options['port']}")
        with server.connect(DATABASE) as connection:
            connection.execute(EFFECTS)
            connection.execute("CHECKPOINT")
    finally:
        server.halt(signal.SIGINT)


def _migrate(url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=PROJECT, env=environment, check=True
    )

