"""Fixtures of the admin's tests: a transport in memory, and addresses."""

from collections.abc import Callable
from typing import Any

import pytest

AddressOf = Callable[..., str]


@pytest.fixture(autouse=True)
def memory_transport(settings: Any) -> None:
    """Make the transport in memory the one of this process."""
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}


def page(model: str, *parts: Any) -> str:
    """Return an address in the admin: `page("job", job.pk, "change")`."""
    return "/".join(["/admin/jobs", model, *map(str, parts), ""])
