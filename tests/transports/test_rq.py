"""RQ's transport keeps the contract."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from jobs.transports.rq import RQTransport
from tests.transports.contract import *  # noqa: F403 - the suite


@pytest.fixture
def transport(rq_transport: RQTransport) -> RQTransport:
    return rq_transport


@pytest.fixture
def lose_all(redis_client: redis.Redis) -> Callable[[], object]:
    return redis_client.flushall


@pytest.fixture
def unreachable(rq_entry: Callable[..., None], tmp_path: Path) -> RQTransport:
    rq_entry(default=f"unix://{tmp_path}/nobody.sock")
    return RQTransport()
