"""Events reach the live channel, and a broker that is away harms nobody."""

import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from jobs import events, live
from jobs.transports import get_transport
from tests.support import eventually


@pytest.fixture(autouse=True)
def awake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_quiet_until_seconds", 0.0)
    monkeypatch.setattr(live, "_last_seconds", {})


def heard(channel: redis.client.PubSub) -> dict[str, Any]:
    message = eventually(lambda: channel.get_message(ignore_subscribe_messages=True))
    found: dict[str, Any] = json.loads(message["data"])
    return found


def test_each_event_is_published_once_and_small(redis_client: redis.Redis) -> None:
    change = events.Change(uuid4(), "tests.tasks.nothing", "default", "succeeded", "success", 1)
    with redis_client.pubsub() as channel:
        channel.subscribe(live.CHANNEL)
        events.emit(events.JobsSettled("node-1", (change,) * 100))
        settled = heard(channel)
        assert (settled["kind"], settled["states"], len(settled["jobs"])) == (
            "settled",
            {"succeeded": 100},
            20,
        )
        for event, kind in [
            (events.JobsInserted((("default", 2),)), "inserted"),
            (events.JobsClaimed("node-1", (("default", 2),)), "claimed"),
            (events.JobsOperated("cancel", "anna", (uuid4(),)), "operated"),
            (events.OperationChanged(7, "discard", "running", 9, 4, 1, 0), "operation"),
            (events.WorkersChanged(("node-1",), "active"), "workers"),
            (events.QueueChanged("default", True), "queue"),
        ]:
            events.emit(event)
            assert heard(channel)["kind"] == kind
    get_transport().close()


def test_a_burst_of_enqueues_tells_the_pages_once(redis_client: redis.Redis) -> None:
    with redis_client.pubsub() as channel:
        channel.subscribe(live.CHANNEL)
        for _ in range(50):
            events.emit(events.JobsInserted((("default", 1),)))
        events.emit(events.QueueChanged("default", True))
        kinds = [heard(channel)["kind"]]
        while kinds[-1] != "queue":
            kinds.append(heard(channel)["kind"])
    assert kinds.count("inserted") < 10
    get_transport().close()


def test_a_broker_that_is_away_is_left_in_peace_for_a_while(settings: Any, tmp_path: Path) -> None:
    settings.RQ_QUEUES = {"default": {"URL": f"unix://{tmp_path}/nobody.sock"}}
    begun = time.monotonic()
    for _ in range(1000):
        live.publish(events.JobsInserted((("default", 1),)))
    assert time.monotonic() - begun < 2


def test_a_process_that_is_mute_never_asks_for_redis(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_mute_pid", 0)
    live.be_mute()
    with redis_client.pubsub() as channel:
        channel.subscribe(live.CHANNEL)
        events.emit(events.QueueChanged("default", True))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                events.emit(events.QueueChanged("from a child", True))
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert heard(channel)["queue"] == "from a child"


def test_nothing_is_published_on_another_transport(settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}
    live.publish(events.JobsInserted((("default", 1),)))
