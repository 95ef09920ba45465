"""Fixtures of these tests: their tasks, and a fresh transport in memory for each test."""

from jobs.definition import registry
from tests.engine.conftest import configure, transport
from tests.operations import tasks

__all__ = ["configure", "transport"]

registry.register_module(tasks)
