"""No queue at all: what psycopg needs to claim rows in batches, call their functions and write them as finished.

`python -m benchmarks.peers.floor_claim 100` is the worker: at least once, without retries, limits or history.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import psycopg

from benchmarks import work
from benchmarks.adapter import Adapter, Call

URL = os.environ["DATABASE_URL"]
FUNCTIONS = {function.__name__: function for function in work.FUNCTIONS}
IDLE_SECONDS = 0.01
TABLE = """
CREATE TABLE IF NOT EXISTS claims (
    id uuid PRIMARY KEY, task text NOT NULL, args jsonb NOT NULL, number bigserial, state text NOT NULL DEFAULT 'queued'
);
CREATE INDEX IF NOT EXISTS claims_queued ON claims (number) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS claims_running ON claims (number) WHERE state = 'running';
"""
MANY = "INSERT INTO claims (id, task, args) SELECT id, %s, args FROM unnest(%s::uuid[], %s::jsonb[]) AS row(id, args)"
CLAIM = """
UPDATE claims SET state = 'running'
FROM (SELECT id FROM claims WHERE state = 'queued' ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED) AS head
WHERE claims.id = head.id RETURNING claims.id, task, args
"""
FINISH = "UPDATE claims SET state = 'finished' WHERE id = ANY(%s) AND state = 'running'"


class Floor(Adapter):
    bulk = "INSERT … SELECT FROM unnest(…), 1,000 rows a statement"
    packages = ("psycopg",)

    def __init__(self, batch: str) -> None:
        self.batch = batch
        self.link = psycopg.connect(URL, autocommit=True)

    @property
    def configuration(self) -> str:  # type: ignore[override] # differs by size
        return f"UPDATE … FROM (SELECT … FOR UPDATE SKIP LOCKED LIMIT {self.batch}) RETURNING, then one UPDATE of all"

    def prepare(self) -> None:
        self.link.execute(TABLE)
        self.link.execute("TRUNCATE claims")

    def enqueue(self, task: str, call: Call) -> None:
        self.enqueue_many(task, [call])

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        self.link.execute(MANY, [task, [uuid4() for _ in calls], [json.dumps(call) for call in calls]])

    def is_drained(self) -> bool:
        waiting = "SELECT id FROM claims WHERE state = 'queued' ORDER BY number LIMIT 1"
        running = "SELECT id FROM claims WHERE state = 'running' ORDER BY number LIMIT 1"
        return self.link.execute(f"({waiting}) UNION ALL ({running})").fetchone() is None

    def workers(self, process_count: int) -> list[list[str]]:
        return [[sys.executable, "-m", "benchmarks.peers.floor_claim", self.batch]] * process_count


def run(batch: int) -> None:
    """Claim, call and finish until this is killed."""
    link = psycopg.connect(URL, autocommit=True)
    while True:
        rows: list[tuple[UUID, str, list[object]]] = link.execute(CLAIM, [batch]).fetchall()
        for _, task, args in rows:
            FUNCTIONS[task](*args)
        if rows:
            link.execute(FINISH, [[row[0] for row in rows]])
        else:
            time.sleep(IDLE_SECONDS)


def adapter(variant: str) -> Adapter:
    """Return the adapter for a size of batches."""
    return Floor(variant)


if __name__ == "__main__":
    run(int(sys.argv[1]))
