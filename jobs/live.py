"""The live feed: one PUBLISH on Redis for each event, so that open pages know at once that things change.

Nobody depends on it: pages refresh by the clock as well. So it never raises, and after a failure it keeps
quiet for a while instead of making every enqueue wait for a broker that is away.
"""

import json
import os
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

from jobs import events
from jobs.errors import TransportUnavailable
from jobs.transports import get_transport
from jobs.transports.rq import RQTransport

CHANNEL = "queuehub:events"
PAUSE_SECONDS = 5.0
"""How long nothing is published after a failure."""

MOST_JOBS = 20
"""Jobs that an event names; of more it gives only the counts."""

KINDS = (
    events.JobsInserted,
    events.JobsClaimed,
    events.JobsSettled,
    events.JobsOperated,
    events.WorkersChanged,
    events.QueueChanged,
    events.OperationChanged,
)

FREQUENT = (events.JobsInserted, events.JobsClaimed, events.JobsSettled)
SPACING_SECONDS = 0.2
"""Least time between two frequent events of a kind from one process. A page draws itself once a second at most, so
more of them tell it nothing, and each costs an enqueue a round trip."""

_quiet_until_seconds = 0.0
_mute_pid = 0
_last_seconds: dict[type, float] = {}


def listen() -> None:
    """Publish the events of this process."""
    for kind in KINDS:
        events.subscribe(kind, publish)


def be_mute() -> None:
    """Publish nothing from this very process; its children do."""
    global _mute_pid
    _mute_pid = os.getpid()


def publish(event: object) -> None:
    """Put one event on the channel, if the transport has one."""
    global _quiet_until_seconds
    now = time.monotonic()
    if _mute_pid == os.getpid():
        return
    if now < _quiet_until_seconds or _is_too_soon(type(event), now):
        return
    transport = get_transport()
    if not isinstance(transport, RQTransport):
        return
    try:
        transport.broadcast(CHANNEL, json.dumps(describe(event), separators=(",", ":")))
    except TransportUnavailable:
        _quiet_until_seconds = time.monotonic() + PAUSE_SECONDS


def _is_too_soon(kind: type, now: float) -> bool:
    if kind in FREQUENT:
        if now - _last_seconds.get(kind, float("-inf")) < SPACING_SECONDS:
            return True
        _last_seconds[kind] = now
    return False


def describe(event: object) -> dict[str, Any]:
    """Return an event as a small JSON object; "kind" says which."""
    match event:
        case events.JobsInserted(counts):
            return {"kind": "inserted", "queues": dict(counts)}
        case events.JobsClaimed(worker, counts):
            return {"kind": "claimed", "worker": worker, "queues": dict(counts)}
        case events.JobsSettled(worker, changes):
            return {
                "kind": "settled",
                "worker": worker,
                "queues": Counter(change.queue for change in changes),
                "states": Counter(change.state for change in changes),
                "jobs": [[str(change.job_id), change.state] for change in changes[:MOST_JOBS]],
            }
        case events.JobsOperated(action, actor, job_ids):
            return {
                "kind": "operated",
                "action": action,
                "actor": actor,
                "count": len(job_ids),
                "jobs": [str(job_id) for job_id in job_ids[:MOST_JOBS]],
            }
        case events.WorkersChanged(workers, state):
            return {"kind": "workers", "workers": list(workers[:MOST_JOBS]), "state": state}
        case events.QueueChanged(queue, is_paused):
            return {"kind": "queue", "queue": queue, "is_paused": is_paused}
        case events.OperationChanged():
            return {"kind": "operation", **asdict(event)}
        case _:
            raise TypeError(f"{event!r} is no event of the live feed")
