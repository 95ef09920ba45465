"""One job's way through the engine in this thread: claim, execute, settle."""

import asyncio
from typing import Any

from django.db import connection

from jobs import executor, lifecycle
from jobs.context import TaskContext
from jobs.definition import JobTask
from jobs.models import Job
from jobs.runs import Run
from tests.factories import claim, fresh


def execute(run: Run) -> Run:
    """Execute a claimed run as a slot does, and return it."""
    context = TaskContext(run.job_id, run.number, lambda: False)
    if executor.is_async(run):
        asyncio.run(executor.aexecute(run, context))
    elif connection.in_atomic_block:  # the test's own transaction, which must live on
        executor.execute_untidily(run, context)
    else:
        executor.execute(run, context)
    return run


def executed(task: JobTask, *args: Any, **kwargs: Any) -> Run:
    """Enqueue, claim and execute; return the run, which is not settled yet."""
    return execute(claim(Job.objects.enqueue(task, *args, **kwargs)))


def finished(task: JobTask, *args: Any, **kwargs: Any) -> Job:
    """Enqueue, claim, execute and settle; return the job as it stands then."""
    job = Job.objects.enqueue(task, *args, **kwargs)
    run = execute(claim(job))
    if not run.is_settled:
        lifecycle.settle([run])
    return fresh(job)
