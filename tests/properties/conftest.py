"""Fixtures of these tests: a ledger whose moves are noted, a transport in memory, and how long to look.

`pytest tests/properties --hypothesis-profile=deep` looks for minutes instead of seconds.
"""

import logging
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from jobs import events
from jobs.definition import registry
from jobs.events import Change
from jobs.transports import get_transport
from jobs.transports.memory import MemoryTransport
from tests.engine import tasks as engine_tasks
from tests.figures import figures
from tests.properties import moves, tasks

__all__ = ["figures"]

DEEP = "deep"
# a failing example of many steps takes long to find and longer to shrink; that is no fault of it
hypothesis.settings.register_profile(
    DEEP, hypothesis.settings.get_profile("queuehub"), max_examples=600, stateful_step_count=60, print_blob=True
)
registry.register_module(tasks)
registry.register_module(engine_tasks)  # those of tests/factories.py


@pytest.fixture
def ledger(transactional_db: None) -> Iterator[None]:
    """A ledger in which transactions commit and every move of a job is noted."""
    moves.observe()
    yield
    moves.stop_observing()


@pytest.fixture
def transport(settings: Any) -> MemoryTransport:
    """Make a transport in memory that of this process; lost messages are looked for after half a tick of the model."""
    settings.QUEUEHUB = {
        **settings.QUEUEHUB,
        "TRANSPORT": "jobs.transports.memory.MemoryTransport",
        "REPUBLISH_AFTER_SECONDS": 300,
    }
    made = get_transport()
    assert isinstance(made, MemoryTransport)
    return made


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    """What listeners were told of settled jobs, as it comes in."""
    changes: list[Change] = []

    def listen(event: events.JobsSettled) -> None:
        changes.extend(event.changes)

    known = events._listeners[events.JobsSettled]
    monkeypatch.setitem(events._listeners, events.JobsSettled, [*known, listen])
    return changes


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep thousands of lost and refused runs out of a failure's report, and the time to write them."""
    caplog.set_level(logging.CRITICAL, "jobs")


@pytest.fixture
def is_deep() -> bool:
    """Whether this run was asked to look for long."""
    return bool(hypothesis.settings.get_current_profile_name() == DEEP)
