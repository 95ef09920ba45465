"""Procrastinate on PostgreSQL."""

import os
from collections.abc import Sequence

import procrastinate
import psycopg

from benchmarks import work as functions
from benchmarks.adapter import Adapter, Call, program

URL = os.environ["DATABASE_URL"]
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL))
TASKS = {
    function.__name__: app.task(function, name=function.__name__)
    for function in (functions.noop, functions.work, functions.stamp)
}
PARAMETERS = {"noop": (), "work": ("milliseconds",), "stamp": ("path", "sent_nanoseconds")}


class Procrastinate(Adapter):
    configuration = "`procrastinate worker --concurrency 10`, one command a process; the default otherwise"
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

    def workers(self, process_count: int) -> list[list[str]]:
        command = [program("procrastinate"), "--app", "benchmarks.peers.procrastinate.app", "worker"]
        return [[*command, "--concurrency", "10"]] * process_count


def adapter(variant: str) -> Adapter:
    """Return the adapter."""
    return Procrastinate()
