"""Fixtures of the pages' tests: a clean snapshot, and sessions for clients that are no browser."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from dashboards import charts, recent, snapshot, state_tabs, task_rows


@pytest.fixture(autouse=True)
def fresh_snapshot() -> Iterator[None]:
    """Forget the figures of the test before."""
    forget()
    yield
    forget()


def forget() -> None:
    """Let the pages read all figures anew."""
    for figures in (snapshot, recent, charts, state_tabs, task_rows):
        figures.forget()


@pytest.fixture
def memory_transport(settings: Any) -> None:
    """Make the transport in memory the one of this process: it answers at once, and nothing is sent."""
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}


@pytest.fixture
def session_of() -> Callable[[User], str]:
    """Log a user in and return the session's key, for a cookie."""

    def log_in(user: User) -> str:
        client = Client()
        client.force_login(user)
        return client.cookies[django_settings.SESSION_COOKIE_NAME].value

    return log_in
