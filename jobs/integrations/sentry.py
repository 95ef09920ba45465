"""Sentry: dead letters, and retries if wanted, as events that are grouped by QueueHub's fingerprint.

    sentry_sdk.init(dsn=…, integrations=[QueueHubIntegration()])

The leading scheduler sends them. They are made of what the ledger keeps, which is masked: no values of variables, no
arguments.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.types import Event

from jobs.fingerprints import application_path
from jobs.notifications import FailedJob, jobs_failed

MOST_TAG_CHARACTERS = 200
"""Sentry drops a tag with a longer value."""

_FRAME = re.compile(r'^ *File "([^"\n]+)", line (\d+), in (.+)\n(?: +(?!File ")(.+)\n)?', re.MULTILINE)
_START = "Traceback (most recent call last)"


class QueueHubIntegration(Integration):
    """Give this to `sentry_sdk.init`. With `retries`, failures that will be tried again are sent too, as warnings."""

    identifier = "queuehub"

    def __init__(self, retries: bool = False) -> None:
        self.retries = retries

    @staticmethod
    def setup_once() -> None:
        ignore_logger("jobs.job")  # its line on each dead letter would be a second event, under another name
        jobs_failed.connect(_capture, dispatch_uid="jobs.integrations.sentry")


def _capture(failures: Sequence[FailedJob], **_: Any) -> None:
    integration = sentry_sdk.get_client().get_integration(QueueHubIntegration)
    if integration is None:
        return
    for failure in failures:
        if failure.is_dead or integration.retries:
            sentry_sdk.capture_event(event_of(failure))


def event_of(failure: FailedJob) -> Event:
    """Return a failure as an event of Sentry."""
    module, _, name = failure.exception_class.rpartition(".")
    told: dict[str, Any] = {"type": name or "DeadLetter", "module": module or None, "value": failure.message}
    told["mechanism"] = {"type": "queuehub", "handled": False}
    if frames := list(_frames(failure.traceback)):
        told["stacktrace"] = {"frames": frames}
    tags = {
        "queuehub.task": failure.task,
        "queuehub.queue": failure.queue,
        "queuehub.state": "dead" if failure.is_dead else "retrying",
        "queuehub.fingerprint": failure.fingerprint,
    }
    if failure.tags:
        tags["queuehub.tags"] = ",".join(failure.tags)
    return {
        "level": "error" if failure.is_dead else "warning",
        "logger": "queuehub",
        "transaction": failure.task,
        "fingerprint": ["queuehub", failure.fingerprint],
        "timestamp": failure.failed_at,
        "exception": {"values": [told]},
        "tags": {key: value[:MOST_TAG_CHARACTERS] for key, value in tags.items()},
        "contexts": {
            "queuehub": {
                "job_id": str(failure.job_id), "attempt": failure.attempt, "frame": failure.frame,
                "tags": list(failure.tags),
            }
        },
    }  # fmt: skip


def _frames(traceback: str) -> Iterator[dict[str, Any]]:
    """Read the frames of the last traceback of a chain, outermost first, as Python has printed them."""
    last = traceback[max(traceback.rfind(_START), 0) :]
    for path, line, function, code in _FRAME.findall(last):
        shown = application_path(path)
        frame = {"filename": shown or path, "abs_path": path, "lineno": int(line), "function": function}
        yield {**frame, "in_app": bool(shown), **({"context_line": code} if code else {})}
