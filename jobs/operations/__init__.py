"""Bulk operations: one verb on all jobs of a filter, a list, a failure group or an earlier operation.

`preview` counts what it would do, `start` lets it run, `stop` ends it, `undo` takes it back. The scheduler's leader
does it, batch by batch, between its other duties: it needs neither a worker nor the broker, which may be what is
broken, and whoever leads next goes on where the last batch was committed.
"""

from jobs.operations.advancing import advance, finish_now
from jobs.operations.retention import delete_old
from jobs.operations.starting import NotStarted, preview, start, stop, undo
from jobs.operations.verbs import BULK_VERBS, BulkVerb

__all__ = [
    "BULK_VERBS",
    "BulkVerb",
    "NotStarted",
    "advance",
    "delete_old",
    "finish_now",
    "preview",
    "start",
    "stop",
    "undo",
]
