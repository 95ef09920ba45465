"""Fixtures of all tests: servers, databases, processes, users, a browser.

QUEUEHUB_TEST_LEDGER=sqlite|postgresql picks the database of a run; `make test` runs both. Servers are
started when the first test asks for them. A missing service skips its tests, in CI it fails them.
"""

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest
import redis
from django.db import connection, connections

from jobs import dispatcher
from queuehub.embedded import EmbeddedServer
from tests import run_directory, skips
from tests.leaks import Census
from tests.servers import MissingServiceError, PostgreSQL
from tests.support import Processes, Running, eventually, free_port

FAST = "fast"
DATABASE_FIXTURES = {"db", "transactional_db", "live_database", "live_server"}
LEAK_PATIENCE_SECONDS = 5
SLOW_WEIGHT = 5

# A slow machine is no failure of a property.
hypothesis.settings.register_profile("queuehub", deadline=None)
hypothesis.settings.load_profile("queuehub")

pytest_plugins = ["tests.people", "tests.browsing"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="run only tests of SQL")


def pytest_configure(config: pytest.Config) -> None:
    skips.register(config)
    # a shell lets what it runs in the background ignore Ctrl-C, and so would all that the tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"ledger: {run_directory.ledger()}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import for `-m fast` only what has such tests: reading all the others takes longer than running these."""
    if config.option.markexpr != FAST or not collection_path.match("test_*.py"):
        return None
    return "mark.fast" not in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not depend on the database, in the second run of `make test`; what lingers, of `-m fast`."""
    if config.getoption("--database-only"):
        _keep(config, items, _uses_database)
    if config.option.markexpr == FAST:
        _keep(config, items, lambda item: item.get_closest_marker("lingers") is None)
    if hasattr(config, "workerinput"):
        _put_long_files_first(items)


def _put_long_files_first(items: list[pytest.Item]) -> None:
    """Begin with the files that start most processes; what is left at the end is short, and no worker waits long."""
    weights: Counter[Path] = Counter()
    for item in items:
        if "processes" in getattr(item, "fixturenames", ()):
            weights[item.path] += SLOW_WEIGHT if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: -weights[item.path])


def _keep(config: pytest.Config, items: list[pytest.Item], is_wanted: Callable[[pytest.Item], bool]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = [item for item in items if is_wanted(item)]


def _uses_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("one_ledger") is not None:
        return False
    is_marked = item.get_closest_marker("django_db") is not None
    return is_marked or not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the output of a failed test's processes."""
    report: Any = yield
    processes = getattr(item, "funcargs", {}).get("processes")
    if report.failed and processes is not None:
        for running in processes.started:
            report.sections.append((f"output of {running}", running.output))
    return report


# -- servers and databases -------------------------------------------------------------------------
def missing(reason: str) -> NoReturn:
    """Skip the test for want of a service; in CI, where everything is to be there, fail it."""
    if skips.is_ci():
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[PostgreSQL]:
    """A private PostgreSQL cluster."""
    cluster = PostgreSQL(run_directory.directory() / "postgresql")
    try:
        yield cluster.start()
    except MissingServiceError as error:
        missing(str(error))
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> None:
    """Start the database server before pytest-django creates the test database on it."""
    if run_directory.ledger() == "postgresql":
        request.getfixturevalue("postgresql_cluster")


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedServer]:
    """A private Valkey on a unix socket; its `url` is the test settings' REDIS_URL."""
    with EmbeddedServer(run_directory.directory()) as server:
        yield server


@pytest.fixture
def redis_client(valkey: EmbeddedServer) -> Iterator[redis.Redis]:
    """A client of the private Valkey, emptied before the test."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client


@dataclass(frozen=True)
class LiveDatabase:
    """A database whose rows other processes see; `environment` makes them use it."""

    url: str
    environment: dict[str, str]


@pytest.fixture
def live_database(transactional_db: None, processes: Processes) -> Iterator[LiveDatabase]:
    """A real, committed test database, shared with the test's processes and emptied after them."""
    name = connections["default"].settings_dict["NAME"]
    if run_directory.ledger() == "postgresql":
        url = f"postgres://queuehub@/{name}?host={run_directory.directory() / 'postgresql'}"
    else:
        url = f"sqlite:///{name}"
    environment = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    processes.environment.update(environment)
    yield LiveDatabase(url, environment)
    # In whatever order the fixtures were asked for: no process may write while the tables are emptied.
    processes.kill()
    eventually(lambda: foreign_connection_count() == 0, message="connections to the database are left")


def foreign_connection_count() -> int:
    """Count the connections to the test database that are not this thread's; SQLite knows none."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


# -- processes -------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread or a process behind."""
    before = Census.take()
    yield
    eventually(before.is_complete, LEAK_PATIENCE_SECONDS, "something is left behind")


@pytest.fixture(autouse=True)
def nothing_remembered_of_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test find a queue full or its broker away because an earlier test, with another broker, did."""
    monkeypatch.setattr(dispatcher, "_rooms", dispatcher._Rooms())


@pytest.fixture
def processes(no_leaks: None, tmp_path: Path) -> Iterator[Processes]:
    """Start any command as a real process: `processes.start("rq", "info")`; killed at the end."""
    group = Processes(tmp_path, {"DJANGO_SETTINGS_MODULE": "tests.settings"})
    yield group
    group.kill()


@pytest.fixture
def manage(
    live_database: LiveDatabase, redis_client: redis.Redis, processes: Processes
) -> Callable[..., Running]:
    """Start `manage.py` commands that share the test's database and broker: `manage("jobs_worker")`."""
    return processes.manage


@pytest.fixture
def brisk(live_database: LiveDatabase, processes: Processes) -> None:
    """Let the test's processes wait no longer than they must, where how long they wait is not what is tested."""
    processes.environment["DJANGO_SETTINGS_MODULE"] = "tests.brisk_settings"


@pytest.fixture
def web_server(manage: Callable[..., Running], processes: Processes) -> str:
    """Run the ASGI application under uvicorn on the test's database; return its address, "http://…"."""
    port = str(free_port())
    running = processes.start(sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port)
    running.wait_for("Uvicorn running on")
    return f"http://127.0.0.1:{port}"
