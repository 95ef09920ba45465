"""Fixtures of the admin's tests: a transport in memory, and clients that are logged in."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

AddressOf = Callable[..., str]


@pytest.fixture(autouse=True)
def memory_transport(settings: Any) -> None:
    """Make the transport in memory the one of this process."""
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}


@pytest.fixture
def viewing(viewer: User) -> Client:
    """A client that may only look."""
    return _logged_in(viewer)


@pytest.fixture
def operating(operator: User) -> Client:
    """A client that may look and use every verb."""
    return _logged_in(operator)


def _logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(model: str, *parts: Any) -> str:
    """Return an address in the admin: `page("job", job.pk, "change")`."""
    return "/".join(["/admin/jobs", model, *map(str, parts), ""])
