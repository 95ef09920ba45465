"""Fixtures of these tests: their tasks, a transport in memory, and rows in any state."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import reconciler
from jobs.definition import registry
from jobs.models import Job
from jobs.reconciler import Reconciler
from jobs.states import FINAL, JobState
from jobs.transports import get_transport
from jobs.transports.memory import MemoryTransport
from tests.time import tasks

registry.register_module(tasks)
TICK = "tests.time.tasks.tick"


@pytest.fixture
def memory_transport(settings: Any) -> MemoryTransport:
    """Make the transport in memory the one of this process."""
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}
    transport = get_transport()
    assert isinstance(transport, MemoryTransport)
    return transport


@pytest.fixture
def add_job(db: None) -> Callable[..., Job]:
    """Write a row straight into the ledger: `add_job("dead", finished_at=…)`."""

    def add(state: str = "queued", **columns: Any) -> Job:
        values: dict[str, Any] = {"task": TICK, "state": state, "due_at": timezone.now()}
        if state in FINAL:
            values["finished_at"] = timezone.now()
        if state == JobState.RUNNING:
            values |= {"claim": 1, "claimed_at": timezone.now(), "worker": "w"}
        job = Job(**{**values, **columns})
        super(Job, job).save(force_insert=True)
        return Job.objects.get(id=job.id)

    return add


def ago(seconds: float) -> Any:
    """Return the database's time `seconds` ago; negative seconds lie ahead."""
    return Now() - timedelta(seconds=seconds)


class Clock:
    """The monotonic clock of a reconciler, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(reconciler, "time", made)
    return made


def watch(watcher: Reconciler, clock: Clock, seconds: float, step: float = 2) -> int:
    """Let the reconciler make its rounds for so long; return how many workers it ended."""
    count = 0
    for _ in range(int(seconds / step)):
        clock.seconds += step
        count += watcher.repair_workers()
    return count
