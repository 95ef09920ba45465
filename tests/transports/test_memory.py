"""The memory transport keeps the contract."""

from collections.abc import Callable

import pytest

from jobs.transports.memory import MemoryTransport
from tests.transports.contract import *  # noqa: F403 - the suite

pytestmark = pytest.mark.fast


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def lose_all(transport: MemoryTransport) -> Callable[[], None]:
    return transport.lose_all


@pytest.fixture
def unreachable(transport: MemoryTransport) -> MemoryTransport:
    transport.is_down = True
    return transport
