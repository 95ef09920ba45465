"""RQ's transport on the run's own Valkey."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from jobs.transports.rq import RQTransport


@pytest.fixture
def rq_transport(redis_client: redis.Redis) -> Iterator[RQTransport]:
    made = RQTransport()
    yield made
    made.close()


@pytest.fixture
def rq_entry(settings: Any) -> Callable[..., None]:
    """Replace RQ_QUEUES by entries for the servers with these URLs, given by queue name."""

    def replace(**urls: str) -> None:
        entries: dict[str, Any] = {
            name: {"URL": url, "SERIALIZER": "rq.serializers.JSONSerializer"} for name, url in urls.items()
        }
        settings.RQ_QUEUES = entries

    return replace
