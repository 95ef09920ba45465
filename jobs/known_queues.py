"""Gives every queue that has run jobs a row, so that operators find it and can pause it.

A listener in the workers: an enqueue stays one INSERT, and each process asks once per queue.
"""

from jobs import events
from jobs.conf import get_settings
from jobs.models import Queue

_known: set[str] = set()


def listen() -> None:
    """Look at the queues of all settled jobs of this process."""
    events.subscribe(events.JobsSettled, remember)


def remember(event: events.JobsSettled) -> None:
    """Insert a row for each queue that this process has not met yet."""
    fresh = {change.queue for change in event.changes} - _known
    if fresh:
        rows = [Queue(name=name) for name in sorted(fresh)]
        Queue.objects.using(get_settings().database).bulk_create(rows, ignore_conflicts=True)
        _known.update(fresh)
