"""Jobs that a test itself enqueues beside the load: plain SQL, logged like any producer's."""

import json
from itertools import islice

from tests.faults.producer_log import ACKNOWLEDGED, MEANT
from tests.faults.site import Site
from tests.journal import append_many


def insert(site: Site, kind: str, count: int = 1, *arguments: object, **columns: object) -> list[str]:
    """Insert `count` jobs of the task `tests.faults.bad_tasks.<kind>` and return their keys, which begin with the kind.

    The task gets the journal's path, the key, and `arguments`; `columns` are further columns of the row.
    """
    return insert_task(site, f"tests.faults.bad_tasks.{kind}", kind, count, *arguments, **columns)


def insert_task(site: Site, task: str, kind: str, count: int, *arguments: object, **columns: object) -> list[str]:
    """Insert `count` jobs of a task, log them as acknowledged, and return their keys, which begin with the kind."""
    keys = [f"{kind}-test-{site.random.getrandbits(48):x}" for _ in range(count)]
    append_many(site.log.path, MEANT, keys)
    insert_rows(site, task, keys, *arguments, **columns)
    append_many(site.log.path, ACKNOWLEDGED, keys)
    return keys


def insert_rows(site: Site, task: str, keys: list[str], *arguments: object, **columns: object) -> None:
    """Insert a job of a task for each key, a hundred with one statement; nothing is logged."""
    rest = iter(keys)
    names, place = ", ".join(["task", "args", *columns]), f"({', '.join(['%s'] * (2 + len(columns)))})"
    while batch := list(islice(rest, 100)):
        values: list[object] = []
        for key in batch:
            values += [task, json.dumps([site.journal.path, key, *arguments]), *columns.values()]
        site.ledger.query(f"INSERT INTO jobs_job ({names}) VALUES {', '.join([place] * len(batch))}", *values)


def history(site: Site, key: str) -> list[str]:
    """Return the outcomes of a job's attempts in order."""
    job_ids = f"SELECT id FROM jobs_job WHERE {site.ledger.key} = %s"
    rows = site.ledger.query(f"SELECT outcome FROM jobs_attempt WHERE job_id IN ({job_ids}) ORDER BY number", key)
    return [outcome for (outcome,) in rows]
