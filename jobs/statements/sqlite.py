"""Batch statements for SQLite: the engine is in this process, so a row costs a bind, not a round trip.

Writing statements run inside `ledger_transaction()`, whose BEGIN IMMEDIATE takes the place of row locks.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from jobs.statements.base import ATTEMPT_COLUMNS, CLAIMABLE, CLAIMED, Ending, JobRow, Statements

NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
_CLAIMABLE = CLAIMABLE.format(now=NOW)

_CLAIM = f"""
UPDATE jobs_job
SET state = 'running', claim = %s, claimed_at = {NOW}, worker = %s, published_at = NULL
WHERE id IN (SELECT j.id FROM jobs_job j WHERE {_CLAIMABLE} AND {{condition}} {{order}})
RETURNING {CLAIMED}
"""

_SETTLE = f"""
UPDATE jobs_job SET
    state = %s,
    attempt = attempt + %s,
    failure_count = failure_count + %s,
    loss_count = loss_count + %s,
    due_at = CASE WHEN %s = 'retrying'
             THEN strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s) ELSE due_at END,
    finished_at = CASE WHEN %s IN ('succeeded', 'dead', 'cancelled') THEN {NOW} END,
    result = COALESCE(%s, result),
    reason = %s,
    claim = NULL, claimed_at = NULL
WHERE id = %s AND state = 'running' AND claim = %s
"""

_APPEND_ATTEMPTS = (
    f"INSERT INTO jobs_attempt ({', '.join(ATTEMPT_COLUMNS)}) VALUES ({', '.join(['%s'] * len(ATTEMPT_COLUMNS))})"
)

_TAKE_UNPUBLISHED = f"""
UPDATE jobs_job SET published_at = {NOW}, publish_seq = publish_seq + 1
WHERE id IN (
    SELECT id FROM jobs_job
    WHERE state = 'queued' AND published_at IS NULL AND queue = %s AND priority >= %s
    ORDER BY priority DESC, id LIMIT %s
)
RETURNING id, publish_seq, priority, task
"""

_HEARTBEAT = f"""
UPDATE jobs_worker SET heartbeat_at = {NOW},
    runs = json_extract(v.value, '$[1]'), memory_bytes = json_extract(v.value, '$[2]')
FROM json_each(%s) AS v
WHERE jobs_worker.id = json_extract(v.value, '$[0]') AND jobs_worker.state IN ('active', 'stopping')
RETURNING jobs_worker.id
"""

_IN = "IN (SELECT value FROM json_each(%s))"


class SQLiteStatements(Statements):
    """SQLite 3.35 and later."""

    now: ClassVar[str] = NOW

    def claim(
        self, ids: Sequence[UUID], claim: int, worker: str, queues: Sequence[str] | None, is_alone: bool
    ) -> list[JobRow]:
        condition = f"j.id {_IN} AND (%s OR j.loss_count = 0)"
        params: list[Any] = [json.dumps([job_id.hex for job_id in ids]), is_alone]
        return self._claim(*self._in_queues(condition, params, queues), "", [], claim, worker)

    def claim_waiting(self, queue: str, limit: int, claim: int, worker: str, is_suspect: bool) -> list[JobRow]:
        condition = f"j.published_at IS NULL AND j.queue = %s AND j.loss_count {'>' if is_suspect else '='} 0"
        return self._claim(condition, [queue], "ORDER BY j.priority DESC, j.id LIMIT %s", [limit], claim, worker)

    def claim_stale(
        self, queues: Sequence[str] | None, limit: int, claim: int, worker: str, older_than_seconds: float
    ) -> list[JobRow]:
        condition = "j.published_at < strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s) AND j.loss_count = 0"
        params: list[Any] = [f"-{older_than_seconds:.3f} seconds"]
        order = "ORDER BY j.published_at LIMIT %s"
        return self._claim(*self._in_queues(condition, params, queues), order, [limit], claim, worker)

    def _in_queues(
        self, condition: str, params: list[Any], queues: Sequence[str] | None
    ) -> tuple[str, list[Any]]:
        if queues is None:
            return condition, params
        return f"{condition} AND j.queue {_IN}", [*params, json.dumps(list(queues))]

    def _claim(
        self, condition: str, params: list[Any], order: str, order_params: list[Any], claim: int, worker: str
    ) -> list[JobRow]:
        sql = _CLAIM.format(condition=condition, order=order)
        rows = self._rows(sql, [claim, worker, worker, *params, *order_params])
        moments = slice(8, 11)
        return [JobRow(UUID(r[0]), *r[1:8], *map(self.moment, r[moments]), *r[11:]) for r in rows]

    def settle(self, endings: Sequence[Ending]) -> dict[UUID, str]:
        ids = json.dumps([ending.job_id.hex for ending in endings])
        held = {
            (row[0], row[1]): row[2] is not None
            for row in self._rows(
                f"SELECT id, claim, cancel_requested_at FROM jobs_job WHERE state = 'running' AND id {_IN}", [ids]
            )
        }
        rows: list[tuple[Any, ...]] = []
        states: dict[UUID, str] = {}
        for e in endings:
            is_cancel_requested = held.get((e.job_id.hex, e.claim))
            if is_cancel_requested is None:
                continue
            is_cancel = is_cancel_requested and e.state in {"queued", "retrying"}
            state = "cancelled" if is_cancel else e.state
            states[e.job_id] = state
            rows.append((
                state, int(e.has_begun), int(e.is_failure), int(e.is_loss), state, f"{e.delay_seconds:+.3f} seconds",
                state, e.result_text, "cancelled" if is_cancel else e.reason, e.job_id.hex, e.claim,
            ))  # fmt: skip
        self._many(_SETTLE, rows)
        return states

    def append_attempts(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._many(_APPEND_ATTEMPTS, [tuple(map(_bindable, row)) for row in rows])

    def take_unpublished(self, queue: str, limit: int, minimum_priority: int) -> list[tuple[UUID, int, int, str]]:
        rows = self._rows(_TAKE_UNPUBLISHED, [queue, minimum_priority, limit])
        return sorted(((UUID(i), s, p, t) for i, s, p, t in rows), key=lambda row: (-row[2], row[0]))

    def heartbeat(self, beats: Sequence[tuple[str, str, int]]) -> set[str]:
        return {row[0] for row in self._rows(_HEARTBEAT, [json.dumps(beats)])}

    def _many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            with self.connection.cursor() as cursor:
                cursor.executemany(sql, rows)

    def moment(self, value: Any) -> datetime:
        # a column comes back through Django's converter, an expression as text
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC)


def _bindable(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    return value
