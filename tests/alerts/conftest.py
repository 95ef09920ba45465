"""Fixtures of these tests: web processes as Prometheus sees them."""

import sys
from collections.abc import Callable

import pytest
import redis

from tests.conftest import LiveDatabase
from tests.support import Processes, free_port


@pytest.fixture
def web_processes(
    live_database: LiveDatabase, redis_client: redis.Redis, processes: Processes
) -> Callable[[int], list[str]]:
    """Start so many web processes side by side and return their host:port."""

    def start(count: int) -> list[str]:
        ports = [str(free_port()) for _ in range(count)]
        command = [sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port"]
        for running in [processes.start(*command, port) for port in ports]:
            running.wait_for("Uvicorn running on", 60)
        return [f"127.0.0.1:{port}" for port in ports]

    return start
