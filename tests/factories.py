"""Jobs in any state and runs in any phase, made by the engine's own verbs."""

import time
from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs import lifecycle
from jobs.lifecycle import operate
from jobs.models import Job, Worker
from jobs.runs import Run
from jobs.states import JobState, Outcome

ADD = "tests.engine.tasks.add"
WORKER = "worker-1"


def make_job(state: str = "queued", **columns: Any) -> Job:
    """Return a committed-or-pending legal row in this state, brought there by an insert and the verbs.

    `columns` are those that an enqueue takes: task, args, kwargs, queue, priority, unique_key, max_attempts, …
    """
    columns = {"task": ADD, **columns}
    if state == JobState.BLOCKED:
        return _blocked(columns)
    if state == JobState.SCHEDULED:
        columns.setdefault("due_at", timezone.now() + timedelta(hours=1))
    job: Job = Job.objects.create(**columns)
    if state == JobState.CANCELLED:
        operate.cancel([job.id], actor="make_job")
    elif state not in {JobState.QUEUED, JobState.SCHEDULED}:
        run = claim(job)
        if state != JobState.RUNNING:
            lifecycle.settle([_ended_for(run, state)])
    return fresh(job)


def _blocked(columns: dict[str, Any]) -> Job:
    """No verb leads to the reserved state yet: write the row itself."""
    job = Job(state=JobState.BLOCKED, **columns)
    super(Job, job).save(force_insert=True)
    return fresh(job)


def _ended_for(run: Run, state: str) -> Run:
    if state == JobState.SUCCEEDED:
        return ended(run)
    if state == JobState.RETRYING:
        return ended(run, Outcome.SNOOZED, delay_seconds=3600.0)
    run.max_attempts = run.failure_count + 1
    return ended(run, Outcome.ERROR, exception_class="ValueError", message="made dead", traceback="ValueError")


def fresh(job: Job) -> Job:
    """Return the row as it stands in the ledger now."""
    return Job.objects.get(id=job.id)


def make_worker(worker_id: str = WORKER) -> Worker:
    """Return the row of a living worker; one that exists is left as it is."""
    worker, _ = Worker.objects.get_or_create(
        id=worker_id, defaults={"pool": "pool-1", "node": "node-1", "host": "host-1", "pid": 1}
    )
    return worker


def claim(job: Job, worker: str = WORKER) -> Run:
    """Claim one queued job for a living worker."""
    make_worker(worker)
    (run,) = lifecycle.claim([job.id], worker=worker, is_alone=True)
    return run


def begun(run: Run, seconds_ago: float = 0.0) -> Run:
    """Let the run have begun."""
    run.started_seconds = time.monotonic() - seconds_ago
    return run


def ended(run: Run, outcome: Outcome = Outcome.SUCCESS, **values: Any) -> Run:
    """Let the run have ended with this outcome; `values` are further fields of the Run."""
    begun(run)
    run.finished_seconds, run.outcome = time.monotonic(), outcome
    for name, value in values.items():
        setattr(run, name, value)
    return run
