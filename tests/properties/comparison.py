"""The ledger beside the model: every row, attempt, count, move and word to a listener must be the one predicted."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from jobs import lifecycle
from jobs.events import Change
from jobs.lifecycle.due import is_anything_due
from jobs.models import Attempt, AuditEntry, Job, Worker
from tests.properties import laws
from tests.properties.clock import TICK
from tests.properties.model import Model, ModelJob

SLOW_SECONDS = 500
"""How far a slow machine may fall behind the model, whose time stands still; less than a tick."""


def compare_jobs(model: Model, jobs: Sequence[Job]) -> None:
    """Compare every column that a verb writes."""
    now = timezone.now()
    assert {job.id for job in jobs} == model.jobs.keys()
    for job in jobs:
        expected = model.jobs[job.id]
        assert _told(job) == _expected(expected), job.id
        assert expected.fits_between, job.id
        if job.state in {"scheduled", "retrying"}:
            late = now + (expected.due - model.now) * TICK - job.due_at
            assert timedelta(seconds=-1) <= late <= timedelta(seconds=SLOW_SECONDS), (job.id, late)


def _told(job: Job) -> dict[str, object]:
    return {
        "state": job.state,
        "queue": job.queue,
        "priority": job.priority,
        "unique_key": job.unique_key,
        "args": job.args,
        "attempt": job.attempt,
        "failure_count": job.failure_count,
        "loss_count": job.loss_count,
        "is_published": job.published_at is not None,
        "publish_seq": job.publish_seq,
        "claim": job.claim,
        "worker": job.worker,
        "progress": job.progress,
        "is_cancel_requested": job.cancel_requested_at is not None,
        "is_expiring": job.expires_at is not None,
    }


def _expected(job: ModelJob) -> dict[str, object]:
    return {
        "state": job.state,
        "queue": job.queue,
        "priority": job.priority,
        "unique_key": job.key,
        "args": [job.number],
        "attempt": len(job.attempts),
        "failure_count": job.failures,
        "loss_count": len(job.losses),
        "is_published": job.published is not None,
        "publish_seq": job.publish_seq,
        "claim": job.claim,
        "worker": job.worker,
        "progress": None if job.progress is None else {"done": job.progress},
        "is_cancel_requested": job.is_cancel_requested,
        "is_expiring": job.expires is not None,
    }


def compare_attempts(model: Model, attempts: Sequence[Attempt]) -> None:
    """Compare the history of each job, run by run."""
    found = {(a.job_id, a.number): (a.outcome, a.claim, a.is_alone) for a in attempts}
    expected = {
        (job.id, number): attempt for job in model.jobs.values() for number, attempt in enumerate(job.attempts, 1)
    }
    assert found == expected


def compare_totals(model: Model, audited_before: int) -> None:
    """Compare the statistics and the audit log, both of which outlive the jobs."""
    assert laws.totals() == dict(model.counts)
    audited = AuditEntry.objects.filter(id__gt=audited_before).values_list("action", flat=True)
    assert Counter(audited) == +model.operated


def compare_changes(model: Model, heard: Sequence[Change]) -> None:
    """Compare what listeners heard of ended runs with the runs that ended: each once."""
    told = Counter((c.job_id, c.attempt, c.outcome, c.state) for c in heard if c.outcome)
    assert told == Counter(model.settled)


def compare_answers(model: Model) -> None:
    """Compare what the ledger answers to the questions that workers and the scheduler ask."""
    jobs = model.jobs.values()
    living = {worker for worker, is_living in model.workers.items() if is_living}
    assert set(Worker.objects.living().values_list("id", flat=True)) == living
    assert lifecycle.paused_queues() == model.paused
    waiting = {job.queue for job in jobs if job.state == "queued" and job.published is None}
    assert lifecycle.waiting_queues() == sorted(waiting)
    requests = {job.id: job.worker for job in jobs if job.state == "running" and job.is_cancel_requested}
    assert lifecycle.cancel_requests(list(model.workers)) == requests
    suspects = {job.id for job in jobs if job.state == "queued" and job.losses}
    assert set(lifecycle.suspects_among(list(model.jobs))) == suspects
    for worker in model.workers:
        held = {job.id: job.claim for job in jobs if job.state == "running" and job.worker == worker}
        assert lifecycle.claims_of(worker) == held
    assert is_anything_due(None) == any(_is_due(model, job) for job in jobs)


def _is_due(model: Model, job: ModelJob) -> bool:
    is_open = job.queue not in model.paused
    if job.state == "queued":
        return is_open and (job.expires is None or job.expires > model.now)
    return is_open and job.state in {"scheduled", "retrying"} and job.due <= model.now
