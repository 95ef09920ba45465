"""Rows to messages: sends what was committed as published, and tops the window up from the ledger.

A queue's window bounds its messages on the transport, so the broker's memory stays constant however long the backlog.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now

from jobs import events, lifecycle
from jobs.conf import get_settings
from jobs.errors import TransportUnavailable
from jobs.lifecycle.publishing import Ref
from jobs.models import Job
from jobs.transports import Message, get_transport

logger = logging.getLogger("jobs.dispatcher")

FULL_SECONDS = 0.5
"""How long a queue that was found full gets no direct messages from this process."""

AWAY_SECONDS = 5.0
"""How long nothing is sent directly after the transport was away: an enqueue must not wait for each time-out."""

LOW_PRIORITY_SHARE = 0.1
"""Jobs of negative priority go out only while the window is filled less than this."""


class _Rooms:
    """What this process remembers of the queues' windows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_until: dict[str, float] = {}
        self._room: dict[str, int] = {}

    def take(self, queue: str) -> bool:
        """Take one place in the window; False if it had none when it was last seen."""
        with self._lock:
            if self._full_until.get(queue, 0.0) > time.monotonic():
                return False
            room = self._room.get(queue, get_settings().window_messages)
            self._room[queue] = room - 1
            if room <= 0:
                del self._room[queue]
                self._full_until[queue] = time.monotonic() + FULL_SECONDS
            return room > 0

    def close(self, queues: Iterable[str]) -> None:
        """Send nothing directly to these queues for a while."""
        with self._lock:
            for queue in queues:
                self._full_until[queue] = time.monotonic() + AWAY_SECONDS

    def learn(self, depths: dict[str, int]) -> None:
        with self._lock:
            for queue, depth in depths.items():
                self._room[queue] = get_settings().window_messages - depth


_rooms = _Rooms()


def listen() -> None:
    """Send the messages of rows that were committed as published."""
    events.subscribe(events.JobsPublishable, _send_committed)


def plan(jobs: Sequence[Job]) -> None:
    """Mark new, due jobs as published as far as their queues' windows have room; the rest waits in the ledger."""
    for job in jobs:
        is_due = job.due_at is None or isinstance(job.due_at, DatabaseDefault)
        if is_due and job.priority >= 0 and _rooms.take(job.queue):
            job.published_at, job.publish_seq = Now(), 1  # the database's clock


def _send_committed(event: events.JobsPublishable) -> None:
    send(event.refs)


def send(refs: Sequence[Ref], *, at_front: bool = False) -> int:
    """Send messages for published rows; those that fail are marked as unpublished. Return how many went out."""
    messages = [Message(job_id, seq, queue, priority, task) for job_id, seq, queue, priority, task in refs]
    try:
        published = get_transport().publish(messages, at_front=at_front)
    except TransportUnavailable as error:
        logger.warning("%d messages wait in the ledger: %s", len(messages), error)
        failed: Sequence[Message] = messages
    else:
        _rooms.learn(published.depths)
        failed = published.failed
    if failed:
        _rooms.close({message.queue for message in failed})
        lifecycle.unpublish((message.job_id, message.seq) for message in failed)
    return len(messages) - len(failed)


def top_up() -> int:
    """Fill the windows of all queues from the ledger, by priority and age; return how many messages went out.

    Raises: TransportUnavailable.
    """
    queues = sorted(set(lifecycle.waiting_queues()) - lifecycle.paused_queues())
    if not queues:
        return 0
    return sum(_top_up_queue(queue, depth) for queue, depth in get_transport().depths(queues).items())


def _top_up_queue(queue: str, depth: int) -> int:
    window, batch, sent = get_settings().window_messages, 1000, 0
    while depth < window:
        minimum = -100 if depth < window * LOW_PRIORITY_SHARE else 0
        refs = lifecycle.take_unpublished(queue, min(batch, window - depth), minimum)
        if not refs:
            break
        went = send(refs)
        sent, depth = sent + went, depth + len(refs)
        if went < len(refs):
            break
    return sent
