"""Fixtures of these tests: a fresh transport in memory for each test, the engine's tasks, fresh pages."""

from tests.dashboards.conftest import fresh_snapshot
from tests.engine.conftest import configure, transport

__all__ = ["configure", "fresh_snapshot", "transport"]
