"""Jobs that a test itself enqueues beside the load: plain SQL, logged like any producer's."""

import json

from tests.faults.producer_log import ACKNOWLEDGED, MEANT
from tests.faults.site import Site
from tests.journal import append_many


def insert(site: Site, kind: str, count: int = 1, *arguments: object, **columns: object) -> list[str]:
    """Insert `count` jobs of the task `tests.faults.bad_tasks.<kind>` and return their keys, which begin with the kind.

    The task gets the journal's path, the key, and `arguments`; `columns` are further columns of the row.
    """
    keys = [f"{kind}-test-{site.random.getrandbits(48):x}" for _ in range(count)]
    append_many(site.log.path, MEANT, keys)
    names = ", ".join(["task", "args", *columns])
    places = ", ".join(["%s"] * (2 + len(columns)))
    statement, task = f"INSERT INTO jobs_job ({names}) VALUES ({places})", f"tests.faults.bad_tasks.{kind}"
    for key in keys:
        args = json.dumps([site.journal.path, key, *arguments])
        site.ledger.query(statement, task, args, *columns.values())
    append_many(site.log.path, ACKNOWLEDGED, keys)
    return keys


def history(site: Site, key: str) -> list[str]:
    """Return the outcomes of a job's attempts in order."""
    job_ids = f"SELECT id FROM jobs_job WHERE {site.ledger.key} = %s"
    rows = site.ledger.query(f"SELECT outcome FROM jobs_attempt WHERE job_id IN ({job_ids}) ORDER BY number", key)
    return [outcome for (outcome,) in rows]
