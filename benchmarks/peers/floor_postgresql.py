"""No queue at all: what psycopg needs to insert a job's few columns, durably."""

import json
import os
from collections.abc import Sequence
from uuid import uuid4

import psycopg

from benchmarks.adapter import Adapter, Call

TABLE = """
CREATE TABLE IF NOT EXISTS floor (
    id uuid PRIMARY KEY, task text NOT NULL, args jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
)
"""
ONE = "INSERT INTO floor (id, task, args) VALUES (%s, %s, %s)"
MANY = "INSERT INTO floor (id, task, args) SELECT id, %s, args FROM unnest(%s::uuid[], %s::jsonb[]) AS row(id, args)"


class PostgreSQLFloor(Adapter):
    configuration = "one table of four columns with a primary key, autocommit"
    bulk = "INSERT … SELECT FROM unnest(…), 1,000 rows a statement"
    packages = ("psycopg",)

    def __init__(self) -> None:
        self.link = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def prepare(self) -> None:
        self.link.execute(TABLE)
        self.link.execute("TRUNCATE floor")

    def enqueue(self, task: str, call: Call) -> None:
        self.link.execute(ONE, [uuid4(), task, json.dumps(call)])

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        self.link.execute(MANY, [task, [uuid4() for _ in calls], [json.dumps(call) for call in calls]])

    def is_drained(self) -> bool:
        return self.link.execute("SELECT 1 FROM floor LIMIT 1").fetchone() is None

    def workers(self, process_count: int) -> list[list[str]]:
        return []


def adapter(variant: str) -> Adapter:
    """Return the adapter."""
    return PostgreSQLFloor()
