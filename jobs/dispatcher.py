"""Rows to messages: sends what was committed as published, and tops the window up from the ledger.

A queue's window bounds its messages on the transport, so the broker's memory stays constant however long the backlog.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now

from jobs import events, lifecycle
from jobs.conf import get_settings
from jobs.errors import TransportUnavailable
from jobs.failpoints import reach
from jobs.lifecycle.publishing import Ref
from jobs.models import Job
from jobs.transports import Message, get_transport

logger = logging.getLogger("jobs.dispatcher")

FULL_SECONDS = 0.5
"""How long a queue that was found full gets no direct messages from this process, before one that probes it."""

AWAY_SECONDS = 5.0
"""How long nothing is sent directly after the transport was away: an enqueue must not wait for each time-out."""

TOPPED_UP_MESSAGES = 200
"""To so many messages the leader fills a queue up from its backlog: enough to wake idle workers, and for stock RQ
workers. Ours take the rest of a backlog straight from the ledger, which costs half as much. Jobs of priority above 0 go
out as far as the window has room, so that no long list of other messages stands before them."""


class _Rooms:
    """What this process remembers of the queues' windows; each publish tells the true depth."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._room: dict[str, int] = {}
        self._closed_until: dict[str, float] = {}

    def take(self, queue: str, count: int) -> int:
        """Take up to `count` places in the window, as far as it has some that are known; return how many."""
        with self._lock:
            now = time.monotonic()
            closed_until = self._closed_until.get(queue, 0.0)
            if closed_until > now:
                return 0
            room = max(self._room.get(queue, get_settings().window_messages), 0)
            self._room[queue] = room - min(room, count)
            if room >= count:
                return count
            self._closed_until[queue] = now + FULL_SECONDS
            # a single message as a probe: its reply tells how much room there is
            return room + 1 if closed_until > 0.0 else room

    def close(self, queues: Iterable[str]) -> None:
        """Send nothing directly to these queues for a while, then a probe."""
        with self._lock:
            for queue in queues:
                self._room[queue] = 0
                self._closed_until[queue] = time.monotonic() + AWAY_SECONDS

    def learn(self, depths: dict[str, int]) -> None:
        """Take the depths in that a publish has reported."""
        with self._lock:
            for queue, depth in depths.items():
                self._room[queue] = get_settings().window_messages - depth
                if self._room[queue] > 0:
                    self._closed_until.pop(queue, None)


_rooms = _Rooms()


def listen() -> None:
    """Send the messages of rows that were committed as published."""
    events.subscribe(events.JobsPublishable, _send_committed)


def plan(jobs: Sequence[Job]) -> None:
    """Mark new, due jobs as published as far as their queues' windows have room; the rest waits in the ledger."""
    by_queue: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        is_due = job.due_at is None or isinstance(job.due_at, DatabaseDefault)
        if is_due and job.priority >= 0:
            by_queue[job.queue].append(job)
    now = Now()  # the database's clock
    for queue, due in by_queue.items():
        for job in due[: _rooms.take(queue, len(due))]:
            job.published_at, job.publish_seq = now, 1


def _send_committed(event: events.JobsPublishable) -> None:
    reach("enqueue.committed")
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
        reach("dispatch.sent")
        _rooms.learn(published.depths)
        failed = published.failed
    if failed:
        _rooms.close({message.queue for message in failed})
        reach("dispatch.refused")
        lifecycle.unpublish((message.job_id, message.seq) for message in failed)
        reach("dispatch.unpublished")
    return len(messages) - len(failed)


def top_up() -> int:
    """Send messages for a part of what waits in the ledger, by priority and age; return how many went out.

    Raises: TransportUnavailable.
    """
    queues = sorted(set(lifecycle.waiting_queues()) - lifecycle.paused_queues())
    if not queues:
        return 0
    depths = get_transport().depths(queues)
    return _send_lost(queues) + sum(_top_up_queue(queue, depth) for queue, depth in depths.items())


def _send_lost(queues: Sequence[str]) -> int:
    """Send messages for jobs that were lost with a worker, before all others and however many there are.

    Such a job runs alone, so no worker takes it with the rest of a backlog.
    """
    refs = lifecycle.take_lost(queues)
    return _send_taken(refs, at_front=True) if refs else 0


def _top_up_queue(queue: str, depth: int) -> int:
    window, batch, sent = get_settings().window_messages, 1000, 0
    few = min(TOPPED_UP_MESSAGES, window)
    while depth < window:
        goal, minimum = (few, -100) if depth < few else (window, 1)
        refs = lifecycle.take_unpublished(queue, min(batch, goal - depth), minimum)
        if not refs:
            break
        went = _send_taken(refs)
        sent, depth = sent + went, depth + len(refs)
        if went < len(refs):
            break
    return sent


def _send_taken(refs: Sequence[Ref], *, at_front: bool = False) -> int:
    reach("dispatch.taken")
    return send(refs, at_front=at_front)
