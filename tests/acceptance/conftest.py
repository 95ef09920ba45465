"""Fixtures of these tests: pools and schedulers on nodes of their own, the journal, the ledger's view."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from jobs.definition import registry
from jobs.models import Worker
from jobs.transports import get_transport
from tests.acceptance import tasks
from tests.conftest import LiveDatabase
from tests.figures import figures
from tests.journal import Journal
from tests.support import Processes, Running, eventually

__all__ = ["figures"]

registry.register_module(tasks)
START_SECONDS = 60


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """The log of what really ran."""
    return Journal(tmp_path / "journal")


@pytest.fixture
def command(
    live_database: LiveDatabase, redis_client: redis.Redis, processes: Processes
) -> Iterator[Callable[..., Running]]:
    """Start a `manage.py` command on a node: `command("a", "jobs_worker", "--burst")`."""
    processes.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"

    def start(node: str, *arguments: str) -> Running:
        return processes.manage(*arguments, env={"QUEUEHUB_NODE": node})

    yield start
    get_transport().close()


@pytest.fixture
def pool(command: Callable[..., Running]) -> Callable[..., Running]:
    """Start a pool and wait until its workers are enrolled: `pool("a", processes=2)`."""

    def start(node: str, *options: str, processes: int = 1) -> Running:
        running = command(node, "jobs_worker", "--processes", str(processes), *options)
        eventually(
            lambda: Worker.objects.living().filter(node=node).count() >= processes,
            START_SECONDS,
            f"the pool on {node} did not start:\n{running.output}",
        )
        return running

    return start


@pytest.fixture
def scheduler(command: Callable[..., Running]) -> Callable[..., Running]:
    """Start a scheduler on a node: `scheduler("a")`."""
    return lambda node: command(node, "jobs_scheduler")
