"""The password of Redis changes under load, with two passwords for a while or without warning: no job is lost."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
import redis

from tests.security.least.browsing import Visitor
from tests.security.least.conftest import SETTINGS, on_sqlite
from tests.security.least.servers import Broker, password
from tests.support import Processes, Running, eventually, free_port

PARTS = ("web", "worker", "scheduler")
AWAY = ("NOAUTH", "WRONGPASS", "invalid username", "wait in the ledger", "the transport is away")
Start = Callable[..., Running]


class Site:
    """A web server's worth of load and a pool on SQLite, whose passwords can be told apart by their number."""

    def __init__(self, directory: Path, ledger: Path, broker: Broker, processes: Processes) -> None:
        self.acknowledged_path = directory / "acknowledged"
        self.acknowledged_path.touch()
        self.ledger, self.broker, self.processes = ledger, broker, processes

    def start(self, part: str, *arguments: str, number: int = 1) -> Running:
        """Run `python …` with the password of this number."""
        environment = {**SETTINGS, **on_sqlite(self.ledger), "REDIS_URL": self.broker.url(part, number)}
        environment["LEAST_RETENTION_SECONDS"] = "3600"  # what has succeeded is to be seen
        return self.processes.start(sys.executable, *arguments, env=environment)

    def load(self, number: int = 1) -> Running:
        """Start a load, and wait until it flows."""
        before = len(self.acknowledged())
        running = self.start("web", "-m", "tests.security.least.load", str(self.acknowledged_path), number=number)
        eventually(lambda: len(self.acknowledged()) > before + 20, 60, running.output)
        return running

    def pool(self, number: int = 1) -> Running:
        """Start a pool, and wait until it works."""
        before = self.living_count()
        running = self.start("worker", "manage.py", "jobs_worker", "--processes", "1", number=number)
        eventually(lambda: self.living_count() > before, 60, running.output)
        return running

    def scheduler(self) -> Running:
        """Start a scheduler: while messages keep coming, only it sees to rows that have none."""
        return self.start("scheduler", "manage.py", "jobs_scheduler")

    def web(self, number: int = 1) -> Visitor:
        """Start a web server."""
        port = str(free_port())
        running = self.start("web", "-m", "uvicorn", "queuehub.asgi:application", "--port", port, number=number)
        running.wait_for("Uvicorn running on")
        return Visitor(f"http://localhost:{port}")

    def acknowledged(self) -> list[str]:
        return self.acknowledged_path.read_text().split()

    def living_count(self) -> int:
        return int(self._rows("SELECT count(*) FROM jobs_worker WHERE state = 'active'")[0][0])

    def unfinished(self) -> set[str]:
        """Return the acknowledged jobs that have not succeeded."""
        done = {str(UUID(row[0])) for row in self._rows("SELECT id FROM jobs_job WHERE state = 'succeeded'")}
        return set(self.acknowledged()) - done

    def _rows(self, sql: str) -> list[tuple[str]]:
        with closing(sqlite3.connect(self.ledger, timeout=20)) as connection:
            return connection.execute(sql).fetchall()


def is_broker_up(visitor: Visitor) -> bool:
    metrics = visitor.get("/metrics?name[]=queuehub_broker_up", Authorization="Bearer metrics")
    return "queuehub_broker_up 1.0" in metrics


def more_have_run(site: Site) -> None:
    """Wait until what is acknowledged now, and some jobs after that, have run."""
    known = len(site.acknowledged())
    eventually(lambda: len(site.acknowledged()) > known + 20, 60)
    wanted = set(site.acknowledged())
    eventually(lambda: not wanted & site.unfinished(), 60, "jobs wait")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_passwords_at_once_let_a_rotation_pass_unnoticed(
    sqlite_file: Path, broker: Broker, processes: Processes, tmp_path: Path
) -> None:
    site = Site(tmp_path, sqlite_file, broker, processes)
    old_pool, old_load, old_web = site.pool(), site.load(), site.web()
    eventually(lambda: is_broker_up(old_web), 30)
    with broker.administrator() as client:
        for part in PARTS:
            client.execute_command("ACL", "SETUSER", f"queuehub-{part}", f">{password(part, 2)}")
        site.pool(number=2)
        assert old_pool.stop() == 0
        new_load = site.load(number=2)
        assert old_load.stop() == 0
        for part in PARTS:
            client.execute_command("ACL", "SETUSER", f"queuehub-{part}", f"<{password(part)}")
        eventually(lambda: is_broker_up(old_web), 30, "a connection that stood was closed")
        more_have_run(site)
        assert new_load.stop() == 0
        eventually(lambda: not site.unfinished(), 60)
        assert client.acl_log() == []
    with pytest.raises(redis.AuthenticationError), redis.Redis.from_url(broker.url("web"), retry=None) as late:
        late.ping()
    assert [running.output for running in processes.started if any(word in running.output for word in AWAY)] == []


@pytest.fixture
def plain_broker(tmp_path: Path) -> Iterator[Broker]:
    """A Valkey with the one user "default" and `requirepass`."""
    server = Broker(tmp_path / "plain", None, "old")
    yield server.start()
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_password_that_changes_without_warning_delays_jobs_and_loses_none(
    sqlite_file: Path, plain_broker: Broker, processes: Processes, tmp_path: Path
) -> None:
    site = Site(tmp_path, sqlite_file, plain_broker, processes)
    old_pool, old_load = site.pool(), site.load()
    with plain_broker.administrator() as client:
        client.config_set("requirepass", "new")
        more_have_run(site)
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        more_have_run(site)
        assert any(word in old_load.output for word in AWAY), "the load did not notice the new password"
        plain_broker.password = "new"
        new_pool, new_load = site.pool(), site.load()
        site.scheduler()
        assert (old_pool.stop(), old_load.stop()) == (0, 0)
        more_have_run(site)
        assert client.client_list("normal")[1:], "nobody is connected with the new password"
        assert new_load.stop() == 0
    eventually(lambda: not site.unfinished(), 60)
    assert [running.output for running in (new_pool, new_load) if any(word in running.output for word in AWAY)] == []
