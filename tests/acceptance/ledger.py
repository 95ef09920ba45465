"""What these tests ask of the ledger and of the broker."""

import redis
from django.db.models import Count, Q

from jobs.models import Attempt, Job
from tests.support import eventually


def states() -> dict[str, int]:
    """Count the jobs by state."""
    rows = Job.objects.order_by().values_list("state").annotate(count=Count("id"))
    return dict(rows)


def all_finished(timeout_seconds: float, **expected: int) -> None:
    """Wait until the jobs are in just these states."""
    eventually(lambda: states() == expected, timeout_seconds, f"expected {expected}, found {states()}")


def history(job_id: object) -> list[str]:
    """Return the outcomes of a job's attempts in order."""
    return list(Attempt.objects.filter(job_id=job_id).order_by("number").values_list("outcome", flat=True))


def accepted_twice() -> int:
    """Count the jobs with more than one successful attempt, or two attempts of one number."""
    twice = Attempt.objects.values("job").annotate(
        successes=Count("id", filter=Q(outcome="success")),
        runs=Count("id"),
        numbers=Count("number", distinct=True),
    )
    return sum(row["successes"] > 1 or row["runs"] != row["numbers"] for row in twice)


def traces(client: redis.Redis) -> list[bytes]:
    """Return Redis keys of messages and queues; workers' own registrations are no trace of a job."""
    return [key for pattern in ("rq:job:*", "rq:queue:*") for key in client.keys(pattern)]
