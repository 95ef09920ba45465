"""Fixtures of these tests: an authority, the servers, and processes that run as one part of the system."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.run_directory import directory
from tests.security.least.servers import Authority, Broker, Ledger
from tests.servers import MissingServiceError
from tests.support import PROJECT, Processes, Running, free_port

Start = Callable[..., Running]
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.security.least.settings", "QUEUEHUB_TEST_LEDGER": "postgresql"}


@pytest.fixture(scope="session")
def authority() -> Authority:
    """A private certificate authority."""
    return Authority(directory() / "authority").create()


@pytest.fixture(scope="session")
def migrated(authority: Authority) -> Iterator[Ledger]:
    """A PostgreSQL with TLS, passwords and the least roles; its owner has made all tables."""
    server = Ledger(directory() / "least-postgresql", authority)
    try:
        server.start().migrate(SETTINGS)
        yield server
    except MissingServiceError as error:
        missing(str(error))
    finally:
        server.stop()


@pytest.fixture
def ledger(migrated: Ledger) -> Iterator[Ledger]:
    """The same server with no rows but those that the migration made."""
    migrated.empty()
    yield migrated
    migrated.log_in_role("scheduler")  # its password may have been changed


@pytest.fixture(scope="session")
def sqlite_file() -> Path:
    """A SQLite ledger with all tables, made by `migrate` as a user runs it."""
    path = directory() / "least.sqlite3"
    environment = {**os.environ, **SETTINGS, **on_sqlite(path), "REDIS_URL": "unix:///nobody"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, check=True, cwd=PROJECT, env=environment, timeout=60)
    return path


def on_sqlite(path: Path) -> dict[str, str]:
    """Return the environment of a process whose ledger is this file."""
    return {"QUEUEHUB_TEST_LEDGER": "sqlite", "DATABASE_URL": f"sqlite:///{path}"}


@pytest.fixture
def broker(authority: Authority, tmp_path: Path) -> Iterator[Broker]:
    """A Valkey with TLS and the least users."""
    server = Broker(tmp_path / "valkey", authority)
    yield server.start()
    server.stop()


@pytest.fixture
def start(ledger: Ledger, broker: Broker, processes: Processes) -> Start:
    """Start `python …` as one part of the system: `start("worker", "manage.py", "jobs_worker")`.

    `number` is that of its password, see `servers.password`.
    """

    def run(part: str, *arguments: str, number: int = 1) -> Running:
        urls = {"DATABASE_URL": ledger.url(part, number), "REDIS_URL": broker.url(part, number)}
        return processes.start(sys.executable, *arguments, env={**SETTINGS, **urls})

    return run


@pytest.fixture
def web(start: Start) -> str:
    """The web server; its address."""
    port = str(free_port())
    running = start("web", "-m", "uvicorn", "queuehub.asgi:application", "--port", port)
    running.wait_for("Uvicorn running on")
    return f"http://localhost:{port}"
