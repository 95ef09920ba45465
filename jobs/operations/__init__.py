"""Bulk operations: one verb on all jobs of a filter, a list, a failure group or an earlier operation.

`preview` counts what it would do, `start` lets it run, `stop` ends it, `undo` takes it back. The scheduler's leader
does it, batch by batch, between its other duties: it needs neither a worker nor the broker, which may be what is
broken, and whoever leads next goes on where the last batch was committed.
"""

from jobs.operations.advancing import advance, finish_now
from jobs.operations.at_once import AT_ONCE, finish_if_small, is_small
from jobs.operations.retention import delete_old
from jobs.operations.starting import (
    NotStarted,
    counting_note,
    preview,
    start,
    stop,
    undo,
    why_not_stopped,
    why_not_undone,
)
from jobs.operations.verbs import BULK_VERBS, BulkVerb

__all__ = [
    "AT_ONCE",
    "BULK_VERBS",
    "BulkVerb",
    "NotStarted",
    "advance",
    "counting_note",
    "delete_old",
    "finish_if_small",
    "finish_now",
    "is_small",
    "preview",
    "start",
    "stop",
    "undo",
    "why_not_stopped",
    "why_not_undone",
]
