"""Where a tracer plugs in: one for the whole process, or none, which costs an enqueue and a run one look each.

The column `trace` of a job carries the W3C traceparent of its enqueue to its runs.
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from django.db import Error as DatabaseError

from jobs.conf import get_settings
from jobs.models import Job
from jobs.runs import Run

logger = logging.getLogger("jobs.traces")


class Tracer(Protocol):
    """What is told of enqueues and runs; none of it may raise."""

    def send(self, jobs: Sequence[Job]) -> AbstractContextManager[None]:
        """Surround the insert of a batch, and write into `trace` of each job where it was enqueued."""

    def begin(self, run: Run) -> None:
        """Begin the span of a run, in the context in which its task is called."""

    def end(self, run: Run) -> None:
        """End the span of a run, whose outcome is known; do nothing if there is none."""

    def flush(self) -> None:
        """Hand over what is still kept, as the process is about to end."""


tracer: Tracer | None = None


def plug_in(new: Tracer | None) -> None:
    """Use this tracer from now on; None: no more."""
    global tracer
    tracer = new


def recall(runs: Sequence[Run]) -> None:
    """Read where the jobs of claimed runs were enqueued; a run of which that is not to be had goes without."""
    jobs = Job.objects.using(get_settings().database).filter(id__in=[run.job_id for run in runs]).exclude(trace="")
    try:
        found = dict(jobs.values_list("id", "trace"))
    except DatabaseError as error:  # the claim is committed, so these runs must go on
        logger.warning("the traces of %d runs cannot be read: %s", len(runs), error)
        return
    for run in runs:
        run.trace = found.get(run.job_id, "")


def flush() -> None:
    """Hand over what the tracer still keeps."""
    if tracer is not None:
        tracer.flush()
