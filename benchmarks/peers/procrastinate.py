"""Procrastinate on PostgreSQL."""

import inspect
import os
from collections.abc import Sequence

import procrastinate
import psycopg

from benchmarks import work
from benchmarks.adapter import Call, Ledger, program

URL = os.environ["DATABASE_URL"]
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL))
TASKS = {
    function.__name__: app.task(work.as_coroutine(function), name=function.__name__) for function in work.FUNCTIONS
}
PARAMETERS = {function.__name__: tuple(inspect.signature(function).parameters) for function in work.FUNCTIONS}
GROW_JOBS = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts)
SELECT 'default', 'noop', 'succeeded', 1 FROM generate_series(1, %s)
"""
GROW_EVENTS = """
INSERT INTO procrastinate_events (job_id, type)
SELECT job.id, event.type FROM procrastinate_jobs AS job
CROSS JOIN unnest('{deferred,started,succeeded}'::procrastinate_job_event_type[]) AS event(type)
WHERE job.id > %s
"""


class Procrastinate(Ledger):
    configuration = (
        "`procrastinate --log-level warning worker --concurrency 10`, one command a process; the default otherwise; the"
        " functions as coroutines, which spares a hand-over to a thread"
    )
    bulk = "batch_defer, 1,000 jobs a call"
    packages = ("procrastinate", "psycopg")

    def __init__(self) -> None:
        app.open()
        self.link = psycopg.connect(URL, autocommit=True)

    def prepare(self) -> None:
        if self.link.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
            app.schema_manager.apply_schema()
        self.link.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")

    def enqueue(self, task: str, call: Call) -> None:
        TASKS[task].defer(**dict(zip(PARAMETERS[task], call, strict=True)))

    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        names = PARAMETERS[task]
        TASKS[task].batch_defer(*(dict(zip(names, call, strict=True)) for call in calls))

    def is_drained(self) -> bool:
        # the two halves each have a partial index
        waiting = "SELECT id FROM procrastinate_jobs WHERE status = 'todo' ORDER BY priority DESC, id LIMIT 1"
        running = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IS NOT NULL LIMIT 1"
        return self.link.execute(f"({waiting}) UNION ALL ({running})").fetchone() is None

    def succeeded_count(self) -> int:
        row = self.link.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'").fetchone()
        return int(row[0])  # type: ignore[index] # count(*) gives one row

    def grow(self, count: int) -> None:
        # triggers would look at every row, and write its events one by one
        with self.link.transaction():
            self.link.execute("SET LOCAL session_replication_role = replica")
            last = self.link.execute("SELECT coalesce(max(id), 0) FROM procrastinate_jobs").fetchone()
            self.link.execute(GROW_JOBS, [count])
            self.link.execute(GROW_EVENTS, last)

    def analyze(self) -> None:
        self.link.execute("ANALYZE")

    def workers(self, process_count: int) -> list[list[str]]:
        options = ["--app", "benchmarks.peers.procrastinate.app", "--log-level", "warning"]
        return [[program("procrastinate"), *options, "worker", "--concurrency", "10"]] * process_count


def adapter(variant: str) -> Ledger:
    """Return the adapter."""
    return Procrastinate()
