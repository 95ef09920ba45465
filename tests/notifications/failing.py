"""Jobs that fail, once or for good."""

from typing import Any

from jobs import lifecycle
from jobs.models import Job
from jobs.states import Outcome
from tests.factories import claim, ended, fresh, make_job


def fail(message: str = "no luck 1", *, attempts: int = 1, **columns: Any) -> Job:
    """Return a job whose first attempt failed; with `attempts` of 1 it is a dead letter."""
    job = make_job(max_attempts=attempts, **columns)
    values = {"exception_class": "shop.Error", "message": message, "traceback": "Traceback …"}
    lifecycle.settle([ended(claim(job), Outcome.ERROR, **values)])
    return fresh(job)
