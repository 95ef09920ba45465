"""QueueHub's engine: durable background jobs for Django.

The SQL database is the ledger; the broker only carries hints. ARCHITECTURE.md tells a job's life.
"""

from jobs.definition import task

__all__ = ["task"]
