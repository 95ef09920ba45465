"""Batch statements for SQLite: a batch goes in as one JSON text through json_each.

The engine is in this process: a row costs a step of its virtual machine, not a round trip.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from jobs.statements.base import (
    CLAIMABLE,
    CLAIMED,
    COUNT,
    MOVE,
    NOTE,
    QUEUED,
    QUEUED_UNINDEXED,
    RECORD,
    WAITING,
    WAITING_AFTER,
    ClaimedRow,
    Columns,
    Place,
    Statements,
    fitted,
    is_constant,
)

_FORMAT = "'%%Y-%%m-%%d %%H:%%M:%%f'"
NOW = f"strftime({_FORMAT}, 'now')"

_EPOCH = "(julianday({column}) - 2440587.5) * 86400.0"
_CLAIMED = CLAIMED.format(
    t="",
    created=_EPOCH.format(column="created_at"),
    due=_EPOCH.format(column="due_at"),
    claimed=_EPOCH.format(column="claimed_at"),
    args="args",
    kwargs="kwargs",
)
_CLAIM = f"""
UPDATE jobs_job
SET state = 'running', claim = %s, claimed_at = {NOW}, worker = %s, published_at = NULL
WHERE id IN (
    SELECT j.id FROM jobs_job j WHERE {CLAIMABLE.format(now=NOW, queued="{queued}")} AND {{condition}} {{order}}
)
RETURNING {_CLAIMED}
"""  # nosec B608

_MOVE = MOVE.format(
    now=NOW,
    running="job.state = 'running'",
    later=f"strftime({_FORMAT}, 'now', printf('%%+.3f seconds', v.delay))",
    result="v.result",
    returning="id, state",
)
_RECORD = RECORD.format(
    started=f"strftime({_FORMAT}, v.started, 'unixepoch')", finished=f"strftime({_FORMAT}, v.finished, 'unixepoch')"
)
_NOTE = NOTE.format(finished=f"strftime({_FORMAT}, v.finished, 'unixepoch')")
_COUNT = COUNT.format(minute=f"strftime({_FORMAT}, c.minute, 'unixepoch')", json="")

_TAKE_UNPUBLISHED = f"""
UPDATE jobs_job SET published_at = {NOW}, publish_seq = publish_seq + 1
WHERE id IN (
    SELECT id FROM jobs_job
    WHERE state = 'queued' AND published_at IS NULL AND queue = %s AND priority >= %s
    ORDER BY priority DESC, id LIMIT %s
)
RETURNING id, publish_seq, priority, task
"""  # nosec B608

_HEARTBEAT = f"""
UPDATE jobs_worker SET heartbeat_at = {NOW},
    runs = json_extract(v.value, '$[1]'), memory_bytes = json_extract(v.value, '$[2]')
FROM json_each(%s) AS v
WHERE jobs_worker.id = json_extract(v.value, '$[0]') AND jobs_worker.state IN ('active', 'stopping')
RETURNING jobs_worker.id, jobs_worker.asked
"""  # nosec B608

# Kinds that travel as another type: what is stored of a column of `v`.
_STORED_AS = {"now": f"CASE WHEN v.{{0}} THEN {NOW} END", "due": f"COALESCE(v.{{0}}, {NOW})"}

_IN = "IN (SELECT value FROM json_each(%s))"


# How Django stores these on SQLite: identifiers as 32 digits, times in UTC without saying so.
_TEXTS: dict[str, Callable[[Any], str]] = {
    "uuid": lambda value: str(value.hex),
    "timestamp": lambda value: str(value).removesuffix("+00:00"),
    "due": lambda value: str(value).removesuffix("+00:00"),
}


def relation(columns: Columns) -> tuple[str, list[Any]]:
    """Return a SELECT that yields one row per job, and its parameters."""
    picked: list[str] = []
    constant_params: list[Any] = []
    varying: list[Sequence[Any]] = []
    for name, (kind, values) in columns.items():
        plain = [_TEXTS[kind](value) if value else value for value in values] if kind in _TEXTS else values
        if len(plain) == 1 or is_constant(plain):
            picked.append(f"%s AS {name}")
            constant_params.append(plain[0])
        else:
            picked.append(f"json_extract(value, '$[{len(varying)}]') AS {name}")
            varying.append(plain)
    if not varying:  # a single row
        return f"SELECT {', '.join(picked)}", constant_params
    # no NaN: SQLite's parser would refuse it with the error of a database that is away
    rows = json.dumps(list(zip(*varying, strict=True)), ensure_ascii=False, allow_nan=False)
    return f"SELECT {', '.join(picked)} FROM json_each(%s)", [*constant_params, rows]  # nosec B608


class SQLiteStatements(Statements):
    """SQLite 3.35 and later."""

    now: ClassVar[str] = NOW
    lost_table: ClassVar[str] = "jobs_job INDEXED BY jobs_job_lost"
    # by itself SQLite would sort the whole backlog, found by jobs_job_queued
    waiting_table: ClassVar[str] = "jobs_job INDEXED BY jobs_job_to_publish"

    def insert_jobs(self, columns: Columns, conflict: str) -> tuple[Sequence[UUID], datetime]:
        source, params = relation(columns)
        picked = ", ".join(_STORED_AS.get(kind, "v.{0}").format(name) for name, (kind, _) in columns.items())
        insert = (
            # WHERE true: without it the parser takes ON CONFLICT for a join's condition
            f"INSERT INTO jobs_job ({', '.join(columns)}) SELECT {picked} FROM ({source}) v WHERE true{conflict}"  # nosec B608
        )
        if conflict:
            rows = self._rows(f"{insert} RETURNING id, created_at", params)
            return [UUID(row[0]) for row in rows], self.moment(rows[0][1]) if rows else self.present()
        rows = self._rows(f"{insert} RETURNING created_at", params)
        return columns["id"][1], self.moment(rows[0][0])

    def claim(
        self, ids: Sequence[UUID], claim: int, worker: str, queues: Sequence[str] | None, is_alone: bool
    ) -> list[ClaimedRow]:
        condition = f"j.id {_IN} AND (%s OR j.loss_count = 0)"
        params: list[Any] = [json.dumps([job_id.hex for job_id in ids]), is_alone]
        return self._claim(QUEUED_UNINDEXED, *self._in_queues(condition, params, queues), "", [], claim, worker)

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
        condition = (WAITING_AFTER if after else WAITING).format(sign=">" if is_suspect else "=")
        params: list[Any] = [queue, minimum_priority, *((after[0], after[0], after[1].hex) if after else ())]
        order = "ORDER BY j.priority DESC, j.id LIMIT %s"
        return self._claim(QUEUED, condition, params, order, [limit], claim, worker)

    def claim_stale(
        self, queues: Sequence[str] | None, limit: int, claim: int, worker: str, older_than_seconds: float
    ) -> list[ClaimedRow]:
        condition = f"j.published_at < strftime({_FORMAT}, 'now', %s) AND j.loss_count = 0"
        params: list[Any] = [f"-{older_than_seconds:.3f} seconds"]
        order = "ORDER BY j.published_at LIMIT %s"
        return self._claim(QUEUED, *self._in_queues(condition, params, queues), order, [limit], claim, worker)

    def _in_queues(
        self, condition: str, params: list[Any], queues: Sequence[str] | None
    ) -> tuple[str, list[Any]]:
        if queues is None:
            return condition, params
        return f"{condition} AND j.queue {_IN}", [*params, json.dumps(list(queues))]

    def _claim(
        self,
        queued: str,
        condition: str,
        params: list[Any],
        order: str,
        order_params: list[Any],
        claim: int,
        worker: str,
    ) -> list[ClaimedRow]:
        sql = _CLAIM.format(queued=queued, condition=condition, order=order)
        rows = self._rows(sql, [claim, worker, worker, *params, *order_params])
        return [(UUID(row[0]), *row[1:]) for row in rows]

    def settle_whole(self, runs: Columns, counts: Columns) -> bool:
        return False  # there is no round trip to save: the statements of a transaction do as well

    def move(self, runs: Columns) -> dict[UUID, str]:
        source, params = relation(runs)
        rows = self._rows(f"WITH v AS MATERIALIZED ({source}) {fitted(_MOVE, runs)}", params)
        return {UUID(row[0]): row[1] for row in rows}

    def record(self, runs: Columns) -> None:
        source, params = relation(runs)
        self._do(f"WITH v AS ({source}) {fitted(_RECORD, runs)}", params)
        if "fingerprint" in runs:
            self._do(f"WITH v AS ({source}) {_NOTE}", params)

    def count(self, counts: Columns) -> None:
        source, params = relation(counts)
        self._do(f"WITH c AS ({source}) {_COUNT}", params)

    def take_unpublished(self, queue: str, limit: int, minimum_priority: int) -> list[tuple[UUID, int, int, str]]:
        rows = self._rows(_TAKE_UNPUBLISHED, [queue, minimum_priority, limit])
        return sorted(((UUID(i), s, p, t) for i, s, p, t in rows), key=lambda row: (-row[2], row[0]))

    def heartbeat(self, beats: Sequence[tuple[str, str, int]]) -> dict[str, str]:
        return {row[0]: row[1] for row in self._rows(_HEARTBEAT, [json.dumps(beats)])}

    def moment(self, value: Any) -> datetime:
        # a column comes back through Django's converter, an expression as text
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC)
