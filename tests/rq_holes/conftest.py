"""Fixtures of these tests: stock RQ and QueueHub as real processes, struck at a place if asked."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobs.definition import registry
from jobs.transports import get_transport
from queuehub.embedded import EmbeddedServer
from tests.acceptance import tasks as shared_tasks
from tests.acceptance.conftest import journal
from tests.conftest import LiveDatabase
from tests.rq_holes import tasks
from tests.support import Processes, Running, eventually
from tests.transports.rq_fixtures import rq_entry

__all__ = ["journal", "rq_entry"]

registry.register_module(shared_tasks)
registry.register_module(tasks)

Strike = tuple[str, str, str]
"""Place, when and blow, as in struck.py."""

Start = Callable[..., Running]


class Blow:
    """Makes struck commands, and says whether the blow has fallen."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def command(self, program: str, strike: Strike | None, is_every_time: bool) -> list[str]:
        """Return the beginning of a command line."""
        if strike is None:
            return [sys.executable, *(["-m", "rq.cli"] if program == "rq" else ["manage.py"])]
        marker = "-" if is_every_time else str(self.marker)
        return [sys.executable, "-m", "tests.rq_holes.struck", *strike, marker, program]

    def has_fallen(self, count: int = 1) -> bool:
        """Say whether this many places were struck."""
        return len(list(self.marker.parent.glob(f"{self.marker.name}*"))) == count

    def wait(self, count: int = 1) -> None:
        """Wait until this many places were struck."""
        eventually(lambda: self.has_fallen(count), 30, "not all was struck")


@pytest.fixture
def blow(tmp_path: Path) -> Blow:
    return Blow(tmp_path / "struck")


@pytest.fixture
def stock(processes: Processes, redis_client: redis.Redis, valkey: EmbeddedServer, blow: Blow) -> Start:
    """Start a command of RQ's own: `stock("worker", "mail", strike=("rq.queue:Queue.lpop", "after", "KILL"))`."""

    def start(
        command: str,
        *arguments: str,
        strike: Strike | None = None,
        url: str = valkey.url,
        env: dict[str, str] | None = None,
    ) -> Running:
        options = ["--url", url, "--serializer", "json"]
        return processes.start(*blow.command("rq", strike, False), command, *options, *arguments, env=env)

    return start


@pytest.fixture
def ours(live_database: LiveDatabase, redis_client: redis.Redis, processes: Processes, blow: Blow) -> Iterator[Start]:
    """Start a `manage.py` command on the test's ledger: `ours("jobs_worker", failpoint="claim.committed=kill")`.

    Where no failpoint does what is wanted, a command is struck as those of RQ are.
    """
    processes.environment["DJANGO_SETTINGS_MODULE"] = "tests.rq_holes.settings"

    def start(
        *arguments: str,
        failpoint: str = "",
        strike: Strike | None = None,
        is_every_time: bool = False,
        env: dict[str, str] | None = None,
    ) -> Running:
        armed = {"QUEUEHUB_FAILPOINTS": f"{failpoint}:once={blow.marker}"} if failpoint else {}
        command = blow.command("manage", strike, is_every_time)
        return processes.start(*command, *arguments, env={**armed, **(env or {})})

    yield start
    get_transport().close()


@pytest.fixture
def queue(redis_client: redis.Redis) -> Queue:
    """RQ's queue "default" in JSON; `queue.enqueue(plain.note, …)`."""
    return Queue("default", connection=redis_client, serializer=JSONSerializer)
