"""Fixtures of the tests of /metrics and of the probes."""

from typing import Any

import pytest

from dashboards.metrics import page, totals


@pytest.fixture
def memory_transport(settings: Any) -> None:
    """Make the transport in memory the one of this process."""
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}


@pytest.fixture(autouse=True)
def nothing_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test's ledger be taken for the last one's."""
    monkeypatch.setattr(totals, "_rising", totals.Rising())


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no figures be missing because the machine is slow."""
    for probe in (page.broker, page.ledger):
        monkeypatch.setattr(probe, "timeout_seconds", 60)
