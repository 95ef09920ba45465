"""One job of each kind, known by name."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from jobs import lifecycle
from jobs.filters.values import first_id_at
from jobs.models import Job
from jobs.states import Outcome
from tests.factories import begun, claim, ended, fresh, make_job

LETTER = "tests.engine.tasks.letter"
USER = {"id": 20, "height": 2.0, "zip": "0123", "boss": None, "roles": ["author", "editor"]}


def make_jobs() -> dict[UUID, str]:
    """Return the name of each made job by its id."""
    now = timezone.now()
    old_id = UUID(int=first_id_at(now - timedelta(days=3)).int | uuid4().int >> 60)
    jobs = {
        "old": make_job("succeeded", id=old_id, args=[1, 2], tags=["nightly"]),
        "plain": make_job("queued", args=[42, 0], unique_key="invoice-17"),
        "text": make_job("queued", task=LETTER, args=["42"], queue="mail", tags=["a", "nightly_2"]),
        "deep": make_job("scheduled", task=LETTER, kwargs={"to": "x", "subject": "yes"}, queue="mail-bulk"),
        "running": make_job("running", queue="mail"),
        "dead": _failed("dead", "billing.errors.CardDeclined", "card 17 of 'Ada' was declined", worker="web-3:9"),
        "late": _failed("retrying", "jobs.errors.TaskTimeout", "it overran 30 s"),
        "gone": make_job("cancelled", args=[1], kwargs={"b": 5}),
    }
    _set(jobs["old"], created_at=now - timedelta(days=3))
    _set(jobs["plain"], due_at=now - timedelta(seconds=90))
    _set(jobs["running"], claimed_at=now - timedelta(hours=1), due_at=now - timedelta(hours=1, seconds=40))
    _set(jobs["deep"], kwargs={"subject": "yes", "user": USER})
    _set(jobs["gone"], args=[{"user": {"id": 7, "tags": ["x", None, True]}}], kwargs={"in": 1.5, "b": "5"})
    return {job.id: name for name, job in jobs.items()}


def _failed(state: str, exception_class: str, message: str, worker: str = "w-1") -> Job:
    job = make_job(max_attempts=1 if state == "dead" else 3)
    run = begun(claim(job, worker), seconds_ago=10)
    run = ended(run, Outcome.ERROR, exception_class=exception_class, message=message, delay_seconds=600.0)
    lifecycle.settle([run])
    assert fresh(job).state == state
    return job


def _set(job: Job, **columns: Any) -> None:
    Job.objects.filter(id=job.id).update(**columns)
