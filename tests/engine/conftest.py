"""Fixtures of the engine's tests: their tasks, and a fresh transport in memory for each test."""

from typing import Any

import pytest

from jobs.definition import registry
from jobs.transports import get_transport
from jobs.transports.memory import MemoryTransport
from tests.engine import tasks

registry.register_module(tasks)


@pytest.fixture(autouse=True)
def transport(settings: Any) -> MemoryTransport:
    """Make a fresh transport in memory the one of this process."""
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}
    tasks.SEEN.clear()
    made = get_transport()
    assert isinstance(made, MemoryTransport)
    return made


@pytest.fixture
def configure(settings: Any) -> Any:
    """Change keys of QUEUEHUB: `configure(POISON_LOSSES=2)`; the transport of the test is replaced by a new one."""

    def change(**keys: Any) -> None:
        settings.QUEUEHUB = {**settings.QUEUEHUB, **keys}

    return change
