"""What these tests ask of the ledger and of RQ's structures."""

import redis
from rq.job import Job as PlainJob
from rq.registry import (
    BaseRegistry,
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)

from jobs.models import Job
from tests.acceptance.ledger import accepted_twice, history
from tests.journal import Journal
from tests.support import eventually

REGISTRIES: tuple[type[BaseRegistry], ...] = (
    StartedJobRegistry,
    FinishedJobRegistry,
    FailedJobRegistry,
    ScheduledJobRegistry,
    DeferredJobRegistry,
    CanceledJobRegistry,
)


def places_of(client: redis.Redis, job: PlainJob) -> list[str]:
    """Return the names of RQ's structures that hold the job: a list to be popped from, or a registry."""
    keys = [f"rq:queue:{job.origin}", f"rq:queue:{job.origin}:intermediate"]
    found = [key for key in keys if job.id.encode() in client.lrange(key, 0, -1)]
    for kind in REGISTRIES:
        if job.id in kind(job.origin, client).get_job_ids(cleanup=False):
            found.append(kind.__name__)
    return found


def succeeded_once(
    journal: Journal, *, runs: int = 1, outcomes: list[str] | None = None, timeout_seconds: float = 30
) -> None:
    """Wait until all jobs have succeeded, and check the history of each: these runs and outcomes, by default one."""
    eventually(
        lambda: not Job.objects.exclude(state="succeeded").exists(),
        timeout_seconds,
        f"not all have succeeded: {list(Job.objects.values_list('state', 'reason'))}",
    )
    assert Job.objects.exists()
    for job in Job.objects.all():
        assert history(job.id) == (outcomes or ["success"])
        assert job.failure_count == 0
    assert set(journal.runs().values()) == {runs}
    assert len(journal.runs()) == Job.objects.count()
    assert accepted_twice() == 0
