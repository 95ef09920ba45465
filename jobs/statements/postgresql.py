"""Batch statements for PostgreSQL: arrays go in through UNNEST, rows come back through RETURNING."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from jobs.statements.base import ATTEMPT_COLUMNS, CLAIMABLE, CLAIMED, Ending, JobRow, Statements

NOW = "statement_timestamp()"
_CLAIMABLE = CLAIMABLE.format(now=NOW)

# MATERIALIZED: picked once, whatever join the planner chooses. SKIP LOCKED: two workers with overlapping batches
# neither wait for each other nor deadlock.
_CLAIM = f"""
WITH picked AS MATERIALIZED (
    SELECT j.id FROM jobs_job j WHERE {_CLAIMABLE} AND {{condition}} {{order}} FOR UPDATE OF j SKIP LOCKED
)
UPDATE jobs_job AS job
SET state = 'running', claim = %s, claimed_at = {NOW}, worker = %s, published_at = NULL
FROM picked WHERE job.id = picked.id
RETURNING {", ".join("job." + column.strip() for column in CLAIMED.split(","))}
"""

# A cancel request turns "run again" into "cancelled". It is read from the locked row itself, not from a join, whose
# copy could be older than the request.
_TO_BE = (
    "CASE WHEN job.cancel_requested_at IS NOT NULL AND v.state IN ('queued', 'retrying')"
    " THEN 'cancelled' ELSE v.state END"
)
_SETTLE = f"""
UPDATE jobs_job AS job SET
    state = {_TO_BE},
    attempt = job.attempt + v.begun,
    failure_count = job.failure_count + v.failure,
    loss_count = job.loss_count + v.loss,
    due_at = CASE WHEN v.state = 'retrying' THEN {NOW} + v.delay * interval '1 second' ELSE job.due_at END,
    finished_at = CASE WHEN {_TO_BE} IN ('succeeded', 'dead', 'cancelled') THEN {NOW} END,
    result = COALESCE(v.result::jsonb, job.result),
    reason = CASE WHEN {_TO_BE} = v.state THEN v.reason ELSE 'cancelled' END,
    claim = NULL, claimed_at = NULL
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::float8[], %s::text[], %s::text[], %s::int[], %s::int[], %s::int[])
     AS v(id, claim, state, delay, result, reason, begun, failure, loss)
WHERE job.id = v.id AND job.state = 'running' AND job.claim = v.claim
RETURNING job.id, job.state
"""

_ATTEMPT_TYPES = (
    "uuid", "int", "text", "bigint", "text", "text", "int", "text", "text",
    "timestamptz", "timestamptz", "bool", "text", "text", "text",
)  # fmt: skip
_APPEND_ATTEMPTS = (
    f"INSERT INTO jobs_attempt ({', '.join(ATTEMPT_COLUMNS)}) SELECT * FROM unnest("
    + ", ".join(f"%s::{kind}[]" for kind in _ATTEMPT_TYPES)
    + ")"
)

_TAKE_UNPUBLISHED = f"""
WITH picked AS MATERIALIZED (
    SELECT id FROM jobs_job
    WHERE state = 'queued' AND published_at IS NULL AND queue = %s AND priority >= %s
    ORDER BY priority DESC, id LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_job AS job SET published_at = {NOW}, publish_seq = job.publish_seq + 1
FROM picked WHERE job.id = picked.id
RETURNING job.id, job.publish_seq, job.priority, job.task
"""

_HEARTBEAT = f"""
UPDATE jobs_worker AS worker SET heartbeat_at = {NOW}, runs = v.runs::jsonb, memory_bytes = v.memory
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS v(id, runs, memory)
WHERE worker.id = v.id AND worker.state IN ('active', 'stopping')
RETURNING worker.id
"""


class PostgreSQLStatements(Statements):
    """PostgreSQL 14 and later."""

    now: ClassVar[str] = NOW

    def claim(
        self, ids: Sequence[UUID], claim: int, worker: str, queues: Sequence[str] | None, is_alone: bool
    ) -> list[JobRow]:
        condition = "j.id = ANY(%s) AND (%s OR j.loss_count = 0) AND (%s::text[] IS NULL OR j.queue = ANY(%s))"
        wanted = list(queues) if queues is not None else None
        return self._claim(condition, "", [list(ids), is_alone, wanted, wanted], claim, worker)

    def claim_waiting(self, queue: str, limit: int, claim: int, worker: str, is_suspect: bool) -> list[JobRow]:
        condition = f"j.published_at IS NULL AND j.queue = %s AND j.loss_count {'>' if is_suspect else '='} 0"
        return self._claim(condition, "ORDER BY j.priority DESC, j.id LIMIT %s", [queue, limit], claim, worker)

    def claim_stale(
        self, queues: Sequence[str] | None, limit: int, claim: int, worker: str, older_than_seconds: float
    ) -> list[JobRow]:
        condition = (
            f"j.published_at < {NOW} - %s * interval '1 second' AND j.loss_count = 0"
            " AND (%s::text[] IS NULL OR j.queue = ANY(%s))"
        )
        wanted = list(queues) if queues is not None else None
        params = [older_than_seconds, wanted, wanted, limit]
        return self._claim(condition, "ORDER BY j.published_at LIMIT %s", params, claim, worker)

    def _claim(self, condition: str, order: str, params: list[Any], claim: int, worker: str) -> list[JobRow]:
        sql = _CLAIM.format(condition=condition, order=order)
        return [JobRow(*row) for row in self._rows(sql, [worker, *params, claim, worker])]

    def settle(self, endings: Sequence[Ending]) -> dict[UUID, str]:
        # ordered by id, so that two statements over the same rows lock them in the same order
        rows = [
            (e.job_id, e.claim, e.state, e.delay_seconds, e.result_text, e.reason, e.has_begun, e.is_failure, e.is_loss)
            for e in sorted(endings, key=lambda ending: ending.job_id)
        ]
        columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
        columns[6:] = [[int(flag) for flag in column] for column in columns[6:]]
        return {row[0]: row[1] for row in self._rows(_SETTLE, columns)}

    def append_attempts(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(_APPEND_ATTEMPTS, [list(column) for column in zip(*rows, strict=True)])

    def take_unpublished(self, queue: str, limit: int, minimum_priority: int) -> list[tuple[UUID, int, int, str]]:
        rows = self._rows(_TAKE_UNPUBLISHED, [queue, minimum_priority, limit])
        return sorted(((i, s, p, t) for i, s, p, t in rows), key=lambda row: (-row[2], row[0]))

    def heartbeat(self, beats: Sequence[tuple[str, str, int]]) -> set[str]:
        return {row[0] for row in self._rows(_HEARTBEAT, [list(column) for column in zip(*beats, strict=True)])}

    def moment(self, value: Any) -> datetime:
        moment: datetime = value
        return moment
