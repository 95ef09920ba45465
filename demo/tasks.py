"""The demo's tasks: one of each kind that an application has."""

import asyncio
import random
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils import timezone

from demo import library
from demo.analysis import analyse
from demo.models import Package
from demo.packages import count_ended_files, count_file, summary_of
from jobs import task
from jobs.models import Job
from jobs.retry import Exponential


@task(
    atomic=True,  # "I was the last file" and the summary's job commit with this job's success
    takes_context=True,
    timeout_seconds=10,
    max_attempts=3,
    retry=Exponential(first_seconds=1, max_seconds=5),
)
def analyse_file(context: Any, path: str, encoding: str | None = None) -> dict[str, Any]:
    """Parse one Python file; `encoding` overrides what the file says of itself."""
    figures = analyse(library.locate(path).read_bytes(), encoding, name=path)
    count_file(context.job_id)
    return figures


@task(timeout_seconds=30)
def summarise_package(package_id: int) -> dict[str, Any]:
    """Add the figures of a package's files up."""
    return summary_of(Package.objects.get(pk=package_id))


@task(takes_context=True, timeout_seconds=60)
async def survey_library(context: Any, duration_seconds: float = 15) -> dict[str, int]:
    """Weigh the standard library at leisure, as a slow job that reports its progress and can be cancelled."""
    paths = [library.locate(label) for name, labels in library.find_packages().items() for label in labels]
    step_count, sizes = 60, 0
    for step in range(step_count):
        if context.cancelled:
            break
        sizes += sum(path.stat().st_size for path in paths[step::step_count])
        context.progress(step + 1, step_count, f"{sizes:,} bytes so far")
        await asyncio.sleep(duration_seconds / step_count)
    return {"files": len(paths), "bytes": sizes}


@task(takes_context=True, max_attempts=5, retry=Exponential(first_seconds=1, max_seconds=4))
def call_partner(context: Any, seed: int) -> dict[str, int]:
    """Stand for a call over the network: depending on `seed` it fails up to twice, then it succeeds."""
    failure_count = random.Random(seed).choice((0, 0, 1, 2))  # nosec B311 # no secret
    if context.attempt <= failure_count:
        raise ConnectionResetError(f"partner {seed} closed the connection at attempt {context.attempt}")
    return {"seed": seed, "attempts": context.attempt}


@task(priority=10)  # its moment matters more than its place in the queue
def ring(due_at: str) -> dict[str, float]:
    """Tell how late a job that was due at a set moment began."""
    late = timezone.now() - datetime.fromisoformat(due_at)
    return {"late_seconds": round(late.total_seconds(), 3)}


@task(priority=10, timeout_seconds=60)
def census() -> dict[str, Any]:
    """Count the ledger's jobs by state; runs by a schedule. Also ticks off files that nobody counted."""
    counted = count_ended_files()
    states = Job.objects.order_by().values_list("state").annotate(count=Count("id"))
    return {"counted_files": counted, "states": dict(states)}
