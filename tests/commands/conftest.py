"""Fixtures of these tests: the engine's tasks, and a fresh transport in memory for each test."""

from tests.engine.conftest import configure, transport

__all__ = ["configure", "transport"]
