"""Batch statements for PostgreSQL: columns go in as arrays through UNNEST, rows come back through RETURNING."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import DataError

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
    WAITING_QUEUES,
    ClaimedRow,
    Columns,
    Place,
    Statements,
    fitted,
    is_constant,
)

NOW = "statement_timestamp()"

_EPOCH = "extract(epoch from job.{column})::float8"
_CLAIMED = CLAIMED.format(
    t="job.",
    created=_EPOCH.format(column="created_at"),
    due=_EPOCH.format(column="due_at"),
    claimed=_EPOCH.format(column="claimed_at"),
    args="job.args::text",
    kwargs="job.kwargs::text",
)
# MATERIALIZED: picked once, whatever join the planner chooses. SKIP LOCKED: two workers with overlapping batches
# neither wait for each other nor deadlock.
_CLAIM = f"""
WITH picked AS MATERIALIZED (
    SELECT j.id FROM jobs_job j
    WHERE {CLAIMABLE.format(now=NOW, queued='{queued}')} AND {{condition}} {{order}} FOR UPDATE OF j SKIP LOCKED
)
UPDATE jobs_job AS job
SET state = 'running', claim = %s, claimed_at = {NOW}, worker = %s, published_at = NULL
FROM picked WHERE job.id = picked.id
RETURNING {_CLAIMED}
"""  # nosec B608

# By a hundred keys the planner would rather read a ledger of up to some 30,000 rows from end to end than look each of
# them up. Where it cannot see how many keys there are it expects ten, and looks them up.
_PICKED = "j.id = ANY((SELECT %s::uuid[])::uuid[])"

_MOVE = MOVE.replace("{running}", "(job.state || '') = 'running'")  # by primary key, as in a claim
_MOVE = _MOVE.replace("{now}", NOW).replace("{later}", f"{NOW} + v.delay * interval '1 second'")
_MOVE = _MOVE.replace("{result}", "v.result::jsonb")
_MOVE_AND_TELL = _MOVE.replace("{returning}", "job.id, job.state")
_MOVE_AND_COMPARE = _MOVE.replace("{returning}", "job.state = v.state AS is_as_wanted")
_RECORD = RECORD.format(started="to_timestamp(v.started)", finished="to_timestamp(v.finished)")
_NOTE = NOTE.format(finished="to_timestamp(v.finished)")
_COUNT = COUNT.format(minute="to_timestamp(c.minute)", json="::jsonb")

# One statement, hence one round trip and all or nothing. A claim that is gone or a cancellation makes the division
# fail, which undoes the rest; such a batch takes the way over several statements.
_SETTLE_WHOLE = (
    f"WITH v AS MATERIALIZED ({{runs}}), c AS ({{counts}}), moved AS ({_MOVE_AND_COMPARE}),"
    f" recorded AS ({_RECORD}), counted AS ({_COUNT})<<failed , noted AS ({_NOTE})>>"  # nosec B608
    " SELECT 1 / (count(*) = %s)::int FROM moved WHERE is_as_wanted"
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
"""  # nosec B608

_HEARTBEAT = f"""
UPDATE jobs_worker AS worker SET heartbeat_at = {NOW}, runs = v.runs::jsonb, memory_bytes = v.memory
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS v(id, runs, memory)
WHERE worker.id = v.id AND worker.state IN ('active', 'stopping')
RETURNING worker.id, worker.asked
"""  # nosec B608

# Types whose text form needs no quoting inside an array literal.
_PLAIN = {"uuid", "int", "bigint", "float8", "bool"}
# Kinds that travel as another type: what is stored of a column of `v`, and the type of a constant.
_STORED_AS = {"json": "v.{0}::jsonb", "timestamp": "v.{0}::timestamptz", "now": f"CASE WHEN v.{{0}} THEN {NOW} END",
              "due": f"COALESCE(v.{{0}}::timestamptz, {NOW})"}  # fmt: skip
_TRAVELS_AS = {"json": "text", "timestamp": "text", "due": "text", "now": "bool"}


def relation(columns: Columns) -> tuple[str, list[Any]]:
    """Return a SELECT that yields one row per job, and its parameters."""
    names, arrays, array_params = [], [], []
    constants, constant_params = [], []
    for name, (kind, values) in columns.items():
        travels_as = _TRAVELS_AS.get(kind, kind)
        if len(values) == 1 or is_constant(values):
            constants.append(f"%s::{travels_as} AS {name}")
            constant_params.append(values[0])
            continue
        names.append(name)
        if travels_as in _PLAIN:
            arrays.append(f"(SELECT %s::{travels_as}[])")  # hides how many there are: see _PICKED
            # our own join: psycopg's dumper for lists costs ten times as much
            array_params.append("{" + ",".join("NULL" if v is None else str(v) for v in values) + "}")
        else:
            arrays.append("ARRAY(SELECT jsonb_array_elements_text(%s::jsonb))")
            array_params.append(json.dumps(values, ensure_ascii=False))
    if not names:  # a single row: planned and run in a third of the time
        return f"SELECT {', '.join(constants)}", constant_params
    picked = ", ".join([*constants, "u.*"])
    sql = f"SELECT {picked} FROM unnest({', '.join(arrays)}) AS u({', '.join(names)})"  # nosec B608
    return sql, [*constant_params, *array_params]


class PostgreSQLStatements(Statements):
    """PostgreSQL 14 and later."""

    now: ClassVar[str] = NOW

    def insert_jobs(self, columns: Columns, conflict: str) -> tuple[Sequence[UUID], datetime]:
        source, params = relation(columns)
        picked = [_STORED_AS.get(kind, "v.{0}").format(name) for name, (kind, _) in columns.items()]
        insert = (
            f"INSERT INTO jobs_job ({', '.join(columns)}) SELECT {', '.join(picked)} FROM ({source}) v{conflict}"
            " RETURNING id, created_at"  # nosec B608
        )
        ids = columns["id"][1]
        if conflict or len(ids) == 1:
            rows = self._rows(insert, params)
            return [row[0] for row in rows], rows[0][1] if rows else self.present()
        rows = self._rows(f"WITH done AS ({insert}) SELECT created_at FROM done LIMIT 1", params)  # nosec B608
        return ids, rows[0][0]

    def claim(
        self, ids: Sequence[UUID], claim: int, worker: str, queues: Sequence[str] | None, is_alone: bool
    ) -> list[ClaimedRow]:
        condition = f"{_PICKED} AND (%s OR j.loss_count = 0) AND (%s::text[] IS NULL OR j.queue = ANY(%s))"
        wanted = list(queues) if queues is not None else None
        literal = "{" + ",".join(map(str, ids)) + "}"
        return self._claim(QUEUED_UNINDEXED, condition, "", [literal, is_alone, wanted, wanted], claim, worker)

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
        params = [queue, minimum_priority, *((after[0], *after) if after else ()), limit]
        return self._claim(QUEUED, condition, "ORDER BY j.priority DESC, j.id LIMIT %s", params, claim, worker)

    def claim_stale(
        self, queues: Sequence[str] | None, limit: int, claim: int, worker: str, older_than_seconds: float
    ) -> list[ClaimedRow]:
        condition = (
            f"j.published_at < {NOW} - %s * interval '1 second' AND j.loss_count = 0"
            " AND (%s::text[] IS NULL OR j.queue = ANY(%s))"
        )
        wanted = list(queues) if queues is not None else None
        params = [older_than_seconds, wanted, wanted, limit]
        return self._claim(QUEUED, condition, "ORDER BY j.published_at LIMIT %s", params, claim, worker)

    def _claim(
        self, queued: str, condition: str, order: str, params: list[Any], claim: int, worker: str
    ) -> list[ClaimedRow]:
        sql = _CLAIM.format(queued=queued, condition=condition, order=order)
        return self._rows(sql, [worker, *params, claim, worker])

    def settle_whole(self, runs: Columns, counts: Columns) -> bool:
        runs_sql, runs_params = relation(runs)
        counts_sql, counts_params = relation(counts)
        sql = fitted(_SETTLE_WHOLE, runs).format(runs=runs_sql, counts=counts_sql)
        try:
            self._do(sql, [*runs_params, *counts_params, len(runs["id"][1])])
        except DataError as error:
            if "division by zero" not in str(error):
                raise
            return False
        return True

    def move(self, runs: Columns) -> dict[UUID, str]:
        source, params = relation(runs)
        rows = self._rows(f"WITH v AS MATERIALIZED ({source}) {fitted(_MOVE_AND_TELL, runs)}", params)
        return {row[0]: row[1] for row in rows}

    def record(self, runs: Columns) -> None:
        source, params = relation(runs)
        record = fitted(_RECORD, runs)
        if "fingerprint" in runs:
            record = f", recorded AS ({record}) {_NOTE}"
        self._do(f"WITH v AS MATERIALIZED ({source}) {record}", params)

    def count(self, counts: Columns) -> None:
        source, params = relation(counts)
        self._do(f"WITH c AS ({source}) {_COUNT}", params)

    def take_unpublished(self, queue: str, limit: int, minimum_priority: int) -> list[tuple[UUID, int, int, str]]:
        rows = self._rows_in_order(_TAKE_UNPUBLISHED, [queue, minimum_priority, limit])
        return sorted(((i, s, p, t) for i, s, p, t in rows), key=lambda row: (-row[2], row[0]))

    def waiting_queues(self) -> list[str]:
        return [row[0] for row in self._rows_in_order(WAITING_QUEUES.format(table=self.waiting_table))]

    def _rows_in_order(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement that needs few rows of a backlog, in the order of their index.

        Until the statistics know of the backlog, sorting all of it seems cheaper by a hair.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL enable_sort = off; {sql}", params)
            cursor.nextset()
            return list(cursor.fetchall())

    def heartbeat(self, beats: Sequence[tuple[str, str, int]]) -> dict[str, str]:
        rows = self._rows(_HEARTBEAT, [list(column) for column in zip(*beats, strict=True)])
        return {row[0]: row[1] for row in rows}

    def moment(self, value: Any) -> datetime:
        moment: datetime = value
        return moment
