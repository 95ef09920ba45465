"""Fixtures of these tests: tasks, a transport in memory, a receiver on loopback, and who is to be told."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.definition import registry
from jobs.notifications import tasks
from jobs.notifications.hook import FailedJob, jobs_failed, teller
from tests.engine.conftest import configure, transport
from tests.notifications.receiver import Receiver, receiving
from tests.operations import tasks as failing_tasks

__all__ = ["configure", "transport"]

registry.register_module(tasks)
registry.register_module(failing_tasks)
SECRET = "a secret of the tests"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that answers 204 to every post."""
    with receiving() as made:
        yield made


@pytest.fixture
def notify(configure: Callable[..., None]) -> Callable[..., None]:
    """Set QUEUEHUB["NOTIFICATIONS"]."""
    return lambda **values: configure(NOTIFICATIONS=values)


@pytest.fixture
def hooked(notify: Callable[..., None], receiver: Receiver) -> Receiver:
    """Let notices be posted to the receiver."""
    notify(webhook_url=receiver.url, webhook_secret=SECRET, allowed_hosts=["127.0.0.1"])
    return receiver


@pytest.fixture
def heard() -> Iterator[list[tuple[FailedJob, ...]]]:
    """What a receiver of the signal has been given, batch by batch."""
    batches: list[tuple[FailedJob, ...]] = []

    def hear(failures: tuple[FailedJob, ...], **_: Any) -> None:
        batches.append(failures)

    jobs_failed.connect(hear)
    yield batches
    jobs_failed.disconnect(hear)
    teller.finish()
