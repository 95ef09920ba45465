"""What `lifecycle` asks of a database beyond the ORM."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

# Columns that a claim reads, in the order of JobRow.
CLAIMED = (
    "id, task, queue, attempt, failure_count, loss_count, max_attempts, timeout_seconds,"
    " created_at, due_at, claimed_at, args, kwargs"
)

# A living worker may claim a queued job unless it has expired or its queue is paused.
CLAIMABLE = (
    # a worker that was given up while it was frozen finds out here
    "EXISTS (SELECT 1 FROM jobs_worker w WHERE w.id = %s AND w.state IN ('active', 'stopping'))"
    " AND j.state = 'queued' AND (j.expires_at IS NULL OR j.expires_at > {now})"
    " AND NOT EXISTS (SELECT 1 FROM jobs_queue q WHERE q.name = j.queue AND q.paused_at IS NOT NULL)"
)

# Every queue that has rows to publish: a loose scan of the partial index, whose cost is the number of queues.
WAITING_QUEUES = """
WITH RECURSIVE names(queue) AS (
    SELECT min(queue) FROM jobs_job WHERE state = 'queued' AND published_at IS NULL
    UNION ALL
    SELECT (SELECT min(j.queue) FROM jobs_job j
            WHERE j.state = 'queued' AND j.published_at IS NULL AND j.queue > names.queue)
    FROM names WHERE names.queue IS NOT NULL
)
SELECT queue FROM names WHERE queue IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """What a claim returns of a job."""

    id: UUID
    task: str
    queue: str
    attempt: int
    failure_count: int
    loss_count: int
    max_attempts: int | None
    timeout_seconds: int | None
    created_at: datetime
    due_at: datetime
    claimed_at: datetime
    args_text: str
    kwargs_text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """What one settled run writes to its job."""

    job_id: UUID
    claim: int
    state: str
    delay_seconds: float = 0.0
    result_text: str | None = None
    reason: str = ""
    has_begun: bool = True
    is_failure: bool = False
    is_loss: bool = False


class Statements(ABC):
    """Batch statements on one connection. Each is one or two round trips, whatever the size of the batch."""

    now: ClassVar[str]
    """SQL for the present moment by the database's clock."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    @abstractmethod
    def claim(
        self, ids: Sequence[UUID], claim: int, worker: str, queues: Sequence[str] | None, is_alone: bool
    ) -> list[JobRow]:
        """Claim those of `ids` that are claimable, in `queues` (None: any) and, unless `is_alone`, without a loss."""

    @abstractmethod
    def claim_waiting(
        self, queue: str, limit: int, claim: int, worker: str, is_suspect: bool
    ) -> list[JobRow]:
        """Claim up to `limit` unpublished jobs of a queue, best first; `is_suspect` picks those with a loss."""

    @abstractmethod
    def claim_stale(
        self, queues: Sequence[str] | None, limit: int, claim: int, worker: str, older_than_seconds: float
    ) -> list[JobRow]:
        """Claim published jobs whose message seems lost: published longer ago than this."""

    @abstractmethod
    def settle(self, endings: Sequence[Ending]) -> dict[UUID, str]:
        """Write the endings of runs whose claim still holds; return the new state of just those."""

    @abstractmethod
    def append_attempts(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert Attempt rows, given in the order of `ATTEMPT_COLUMNS`."""

    @abstractmethod
    def take_unpublished(self, queue: str, limit: int, minimum_priority: int) -> list[tuple[UUID, int, int, str]]:
        """Mark up to `limit` queued rows as published, best first; return (id, seq, priority, task) in that order."""

    @abstractmethod
    def heartbeat(self, beats: Sequence[tuple[str, str, int]]) -> set[str]:
        """Record (worker, runs as JSON, memory in bytes); return the workers that are not lost or stopped."""

    def waiting_queues(self) -> list[str]:
        """Return the names of all queues with queued, unpublished rows."""
        return [row[0] for row in self._rows(WAITING_QUEUES)]

    def present(self) -> datetime:
        """Return the database's present moment."""
        return self.moment(self._rows(f"SELECT {self.now}")[0][0])

    @abstractmethod
    def moment(self, value: Any) -> datetime:
        """Return a time as the driver reads it from raw SQL as an aware datetime."""

    def _rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())


ATTEMPT_COLUMNS = (
    "job_id", "number", "outcome", "claim", "worker", "host", "pid", "code_version", "queue",
    "started_at", "finished_at", "is_alone", "exception_class", "message", "traceback",
)  # fmt: skip
