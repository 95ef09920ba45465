"""Fixtures of these tests: the meter, tasks, and the transport that ships."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis

from jobs.transports import get_transport
from tests.speed.by_hand import stop_the_clocks
from tests.speed.metering import Cost, metered

Meter = Callable[[], AbstractContextManager[Cost]]


@pytest.fixture
def meter(
    transactional_db: None, redis_client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Meter]:
    """Count what a block costs, with the clocks stopped: `with meter() as cost:`."""
    stop_the_clocks(monkeypatch)
    yield lambda: metered(tmp_path, redis_client)
    get_transport().close()
