"""Fixtures of the tests of attacks. Every test here has the mark `security`."""

from pathlib import Path

import pytest

from tests.dashboards.conftest import fresh_snapshot, memory_transport, session_of

__all__ = ["fresh_snapshot", "memory_transport", "session_of"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, so that `-m security` finds it all."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.security)
