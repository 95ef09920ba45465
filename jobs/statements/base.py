"""What `lifecycle` asks of a database beyond the ORM: statements that carry a whole batch.

A batch goes in as one relation `v`. Its columns that are equal in all rows are bound once; only the others are sent
per row, so a statement costs what is different about its rows.

`nosec B608` marks texts of SQL that are put together: only names of our own columns and constants of these files go
in, every value is bound.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

Columns = Mapping[str, tuple[str, Sequence[Any]]]
"""A batch by columns: name → (SQL type, one value per row)."""

# What a claim by ids says instead: no partial index fits this, so the planner looks the ids up by primary key. With
# statistics from a moment when hardly any row was queued, it would walk the partial index of all queued rows, and a
# claim would cost as much as the backlog is long.
QUEUED = "j.state = 'queued'"
QUEUED_UNINDEXED = "(j.state || '') = 'queued'"

# A living worker may claim a queued job unless it has expired or its queue is paused. The paused queues are no join:
# the planner would expect it to leave nothing of a queue, and to find that out read and sort the whole backlog.
CLAIMABLE = (
    # a worker that was given up while it was frozen finds out here
    "EXISTS (SELECT 1 FROM jobs_worker w WHERE w.id = %s AND w.state IN ('active', 'stopping'))"
    " AND {queued} AND (j.expires_at IS NULL OR j.expires_at > {now})"
    " AND j.queue NOT IN (SELECT name FROM jobs_queue WHERE paused_at IS NOT NULL)"
)

# What a claim reads, in the order of ClaimedRow; times as Unix seconds, which cost less to read than timestamps.
CLAIMED = (
    "{t}id, {t}task, {t}queue, {t}priority, {t}attempt, {t}failure_count, {t}loss_count, {t}max_attempts,"
    " {t}timeout_seconds, {created}, {due}, {claimed}, {args}, {kwargs}"
)

ClaimedRow = tuple[
    UUID, str, str, int, int, int, int, int | None, int | None, float, float, float, str, str
]  # id … timeout_seconds, created, due, claimed (Unix seconds), args, kwargs (JSON texts)

Place = tuple[int, UUID]
"""A place in the order of a queue's backlog: priority and id of a job."""

# What `claim_waiting` picks of a queue. After a place, only jobs of the same priority: on PostgreSQL the entries of
# jobs that have just been claimed stay at the head of the index until it is vacuumed, and this steps over them.
WAITING = "j.published_at IS NULL AND j.queue = %s AND j.priority >= %s AND j.loss_count {sign} 0"
# No equality: of a constant priority the planner would make an order by id alone, and walk over all newer jobs.
WAITING_AFTER = f"{WAITING} AND j.priority BETWEEN %s AND %s AND j.id > %s"

# Every queue that has rows to publish: a loose scan of the partial index, whose cost is the number of queues.
WAITING_QUEUES = """
WITH RECURSIVE names(queue) AS (
    SELECT (SELECT queue FROM {table} WHERE state = 'queued' AND published_at IS NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM {table}
            WHERE state = 'queued' AND published_at IS NULL AND queue > names.queue ORDER BY queue LIMIT 1)
    FROM names WHERE names.queue IS NOT NULL
)
SELECT queue FROM names WHERE queue IS NOT NULL
"""

# Jobs that were lost with a worker, of which few exist at any time: they have an index of their own.
LOST = """
SELECT id FROM {table} WHERE state = 'queued' AND published_at IS NULL AND loss_count > 0
ORDER BY queue, priority DESC, id LIMIT %s
"""  # nosec B608

# A cancel request turns "run again" into "cancelled". It is read from the row that the statement locks, not from a
# join, whose copy could be older than the request.
_TO_BE = (
    "CASE WHEN job.cancel_requested_at IS NOT NULL AND v.state IN ('queued', 'retrying')"
    " THEN 'cancelled' ELSE v.state END"
)
MOVE = f"""
UPDATE jobs_job AS job SET
    state = {_TO_BE},
    attempt = job.attempt + v.begun,
    failure_count = job.failure_count + v.failure,
    loss_count = job.loss_count + v.loss,
    due_at = CASE WHEN v.state = 'retrying' THEN {{later}} ELSE job.due_at END,
    finished_at = CASE WHEN {_TO_BE} IN ('succeeded', 'dead', 'cancelled') THEN {{now}} END,
    result = COALESCE({{result}}, job.result),
    reason = CASE WHEN {_TO_BE} = v.state THEN v.reason ELSE 'cancelled' END,
    claim = NULL, claimed_at = NULL<<failed , fingerprint = COALESCE(v.fingerprint, job.fingerprint)>>
FROM v WHERE job.id = v.id AND {{running}} AND job.claim = v.claim
RETURNING {{returning}}
"""  # nosec B608
RECORD = """
INSERT INTO jobs_attempt (job_id, number, outcome, claim, worker, host, pid, code_version, queue, started_at,
    finished_at, is_alone, exception_class, message, traceback<<failed , fingerprint>><<logged , log>>)
SELECT v.id, v.number, v.outcome, v.claim, v.worker, v.host, v.pid, v.code_version, v.queue, {started}, {finished},
    v.is_alone, v.exception_class, v.message, v.traceback<<failed , v.fingerprint>><<logged , v.log>>
FROM v
"""
NOTE = """
INSERT INTO jobs_failure (failed_at, fingerprint, exception_class, message, frame, task, job_id)
SELECT {finished}, v.fingerprint, v.exception_class, v.message, v.frame, v.task, v.id
FROM v WHERE v.fingerprint IS NOT NULL
"""
COUNT = """
INSERT INTO jobs_statistic (period, minute_at, queue, task, counts, histograms)
SELECT 'raw', {minute}, c.queue, c.task, c.counts{json}, c.histograms{json} FROM c
"""


class Statements(ABC):
    """Batch statements on one connection. Each is one or two round trips, whatever the size of the batch."""

    now: ClassVar[str]
    """SQL for the present moment by the database's clock."""

    lost_table: ClassVar[str] = "jobs_job"
    """The table of jobs, with the word that makes the database look for lost ones by their index, if it needs one."""

    waiting_table: ClassVar[str] = "jobs_job"
    """The same for unpublished ones."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    @abstractmethod
    def insert_jobs(self, columns: Columns, conflict: str) -> tuple[Sequence[UUID], datetime]:
        """Insert rows with these columns; return the ids that went in, all if `conflict` is empty, and the time."""

    @abstractmethod
    def claim(
        self, ids: Sequence[UUID], claim: int, worker: str, queues: Sequence[str] | None, is_alone: bool
    ) -> list[ClaimedRow]:
        """Claim those of `ids` that are claimable, in `queues` (None: any) and, unless `is_alone`, without a loss."""

    @abstractmethod
    def claim_waiting(
        self,
        queue: str,
        limit: int,
        claim: int,
        worker: str,
        *,
        is_suspect: bool = False,
        minimum_priority: int = -100,
        after: Place | None = None,
    ) -> list[ClaimedRow]:
        """Claim up to `limit` unpublished jobs of a queue, best first; `is_suspect` picks those with a loss.

        `after` picks only jobs behind that place, of the same priority.
        """

    @abstractmethod
    def claim_stale(
        self, queues: Sequence[str] | None, limit: int, claim: int, worker: str, older_than_seconds: float
    ) -> list[ClaimedRow]:
        """Claim published jobs whose message seems lost: published longer ago than this."""

    @abstractmethod
    def settle_whole(self, runs: Columns, counts: Columns) -> bool:
        """Do `move`, `record` and `count` at once if every claim holds and no job is to be cancelled, else nothing.

        Only outside a transaction. Returns False if it did nothing. Raises: DataError, IntegrityError.
        """

    @abstractmethod
    def move(self, runs: Columns) -> dict[UUID, str]:
        """Write the endings of runs whose claim still holds; return the new state of just those."""

    @abstractmethod
    def record(self, runs: Columns) -> None:
        """Insert the Attempt rows of runs."""

    @abstractmethod
    def count(self, counts: Columns) -> None:
        """Insert raw Statistic rows."""

    @abstractmethod
    def take_unpublished(self, queue: str, limit: int, minimum_priority: int) -> list[tuple[UUID, int, int, str]]:
        """Mark up to `limit` queued rows as published, best first; return (id, seq, priority, task) in that order."""

    @abstractmethod
    def heartbeat(self, beats: Sequence[tuple[str, str, int]]) -> dict[str, str]:
        """Record (worker, runs as JSON, memory in bytes); return who is not lost or stopped, and what was asked."""

    def waiting_queues(self) -> list[str]:
        """Return the names of all queues with queued, unpublished rows."""
        return [row[0] for row in self._rows(WAITING_QUEUES.format(table=self.waiting_table))]

    def lost(self, limit: int) -> list[UUID]:
        """Return up to `limit` queued, unpublished jobs that were lost with a worker."""
        return [UUID(str(row[0])) for row in self._rows(LOST.format(table=self.lost_table), [limit])]

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

    def _do(self, sql: str, params: Sequence[Any]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)


def fitted(sql: str, runs: Columns) -> str:
    """Return a statement on ended runs with its <<parts>> for failures and logs only if the batch has any."""
    return _fitted(sql, "fingerprint" in runs, "log" in runs)


@lru_cache(maxsize=64)
def _fitted(sql: str, has_failed: bool, has_logged: bool) -> str:
    for name, is_kept in (("failed", has_failed), ("logged", has_logged)):
        sql = re.sub(rf"<<{name} (.*?)>>", r"\1" if is_kept else "", sql, flags=re.DOTALL)
    return sql


def is_constant(values: Sequence[Any]) -> bool:
    """Tell whether a column has one value in all rows."""
    return len(values) > 1 and values.count(values[0]) == len(values)
