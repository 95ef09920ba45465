"""Sentry gets dead letters as events of its own form, grouped by our fingerprint, without values."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from jobs.integrations import sentry
from jobs.integrations.sentry import QueueHubIntegration, event_of
from jobs.notifications import gathering, jobs_failed
from jobs.notifications.hook import FailedJob, teller
from tests.engine.runs import finished
from tests.notifications.failing import fail
from tests.operations import tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_ledger]
Events = list[dict[str, Any]]


class Capturing(Transport):
    """Sentry's transport, keeping what would go over the network."""

    def __init__(self) -> None:
        super().__init__()
        self.events: Events = []

    def capture_envelope(self, envelope: Any) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture
def start() -> Iterator[Callable[..., Events]]:
    """Start Sentry with our integration: `start(retries=True)` returns the events as they are sent."""

    def begin(*others: Integration, **options: Any) -> Events:
        transport = Capturing()
        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1", transport=transport, default_integrations=False,
            auto_enabling_integrations=False, integrations=[*others, QueueHubIntegration(**options)],
        )  # fmt: skip
        jobs_failed.connect(sentry._capture, dispatch_uid="jobs.integrations.sentry")
        return transport.events

    yield begin
    jobs_failed.disconnect(dispatch_uid="jobs.integrations.sentry")
    sentry_sdk.get_global_scope().set_client(None)


def gathered() -> None:
    gathering.gather()
    teller.finish()


def test_a_dead_letter_is_an_error_with_its_frames_and_without_values(start: Callable[..., Events]) -> None:
    events = start()
    job = finished(tasks.chatter, fails=True)
    gathered()
    (event,) = events
    assert event["fingerprint"] == ["queuehub", job.fingerprint]
    assert (event["level"], event["transaction"]) == ("error", job.task)
    assert event["tags"] == {
        "queuehub.task": job.task, "queuehub.queue": "default", "queuehub.state": "dead",
        "queuehub.fingerprint": job.fingerprint,
    }  # fmt: skip
    (raised,) = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("ValueError", "enough of 2")
    last = raised["stacktrace"]["frames"][-1]
    assert (last["filename"], last["function"], last["in_app"]) == ("tests/operations/tasks.py", "chatter", True)
    assert last["context_line"] == 'raise ValueError(f"enough of {lines}")'
    assert "vars" not in last
    assert (event["contexts"]["queuehub"]["job_id"], event["contexts"]["queuehub"]["attempt"]) == (str(job.id), 1)


def test_a_retry_is_sent_as_a_warning_if_wanted(start: Callable[..., Events]) -> None:
    events = start()
    fail(attempts=2)
    gathered()
    assert events == []
    events = start(retries=True)
    fail(attempts=2, tags=["shop", "vip"])
    gathered()
    (event,) = events
    assert (event["level"], event["tags"]["queuehub.state"], event["tags"]["queuehub.tags"]) == (
        "warning", "retrying", "shop,vip",
    )  # fmt: skip
    assert "stacktrace" not in event["exception"]["values"][0]


def test_before_send_sees_and_may_drop_an_event(start: Callable[..., Events]) -> None:
    seen = []

    def drop(event: Any, hint: Any) -> None:
        seen.append(event["fingerprint"])

    events = start()
    sentry_sdk.get_client().options["before_send"] = drop
    job = fail()
    gathered()
    assert (seen, events) == ([["queuehub", job.fingerprint]], [])


def test_the_log_line_of_a_dead_letter_is_no_second_event(start: Callable[..., Events]) -> None:
    events = start(LoggingIntegration())
    job = fail()
    gathered()
    assert [event["fingerprint"] for event in events] == [["queuehub", job.fingerprint]]


def test_only_the_last_exception_of_a_chain_is_shown() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/x/a.py", line 1, in first\n    first()\nKeyError: 1\n\n'
        "The above exception was the direct cause of the following exception:\n\n"
        'Traceback (most recent call last):\n  File "/x/b.py", line 2, in second\n    second()\n    ~~~~~~^^\n'
        f'  File "{json.__file__}", line 3, in third\nValueError: bad\n'
    )
    event: Any = event_of(_failed(traceback=text))
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert [(f["abs_path"], f["lineno"], f["function"], f["in_app"], f.get("context_line")) for f in frames] == [
        ("/x/b.py", 2, "second", True, "second()"), (json.__file__, 3, "third", False, None),
    ]  # fmt: skip


def test_a_long_tag_is_cut_and_a_death_without_exception_has_a_type() -> None:
    event: Any = event_of(_failed(tags=("x" * 300,), exception_class=""))
    assert len(event["tags"]["queuehub.tags"]) == 200
    assert event["exception"]["values"][0]["type"] == "DeadLetter"


def _failed(**values: Any) -> FailedJob:
    given = {
        "job_id": uuid4(), "task": "shop.tasks.pay", "queue": "default", "attempt": 1, "is_dead": True, "tags": (),
        "fingerprint": "f" * 16, "exception_class": "shop.Error", "message": "m", "frame": "", "traceback": "",
        "failed_at": datetime.now(UTC),
    }  # fmt: skip
    return FailedJob(**{**given, **values})
