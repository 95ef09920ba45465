"""The words of the producers' log, one line per key and event."""

MEANT = "meant"
"""Written before the try."""

ACKNOWLEDGED = "acknowledged"
"""The transaction was committed; this line is on the disk."""

UNDONE = "undone"
"""The transaction was rolled back on purpose."""

UNKNOWN = "unknown"
"""An error came in place of the answer: the job may exist or not."""
