"""Fixtures of these tests: their tasks, and a fresh transport in memory for each test."""

from tests.engine.conftest import configure, transport

__all__ = ["configure", "transport"]
