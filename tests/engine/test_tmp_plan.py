"""A claim finds its rows by primary key, whatever the planner believes about the ledger."""

import pytest
from django.db import connection

from jobs import lifecycle
from jobs.models import Job
from jobs.statements import postgresql
from jobs.statements.base import QUEUED_UNINDEXED
from tests.factories import WORKER, make_worker
from tests.tasks import add

pytestmark = pytest.mark.django_db(transaction=True)


def test_statistics_from_before_a_burst_do_not_make_claims_walk_the_backlog() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite keeps no such statistics
    make_worker()
    old = [job.id for job in Job.objects.enqueue_many(add, [(index,) for index in range(2000)])]
    lifecycle.claim(old, worker=WORKER)  # hardly any row is queued now, and so the statistics will say
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
        fresh = [job.id for job in Job.objects.enqueue_many(add, [(index,) for index in range(3000)])]
        claim = postgresql._CLAIM.format(queued="j.state = 'queued'", condition="j.id = ANY(%s)", order="")
        cursor.execute("EXPLAIN " + claim, [WORKER, fresh[:100], 1, WORKER])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "jobs_job_pkey" in plan
    assert "jobs_job_published" not in plan
