"""A run's work: one job per file and a few of other kinds; an unfinished run goes on where it was left."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from demo import library, tasks
from demo.models import Package, Run, SourceFile
from demo.tally import is_finished
from jobs.models import Job

BATCH_FILES = 500
PARTNER_COUNT = 20
DUE_IN_SECONDS = 15


def current_run() -> Run:
    """Return the last run if something of it is left to do, else a new one."""
    run = Run.objects.order_by("-pk").first()
    return run if run is not None and not is_finished(run) else Run.objects.create()


def enqueue_rest(run: Run, packages: dict[str, list[str]] | None = None) -> Iterator[int]:
    """Enqueue what of the run is not enqueued yet, and yield the number of jobs after each batch.

    A package goes out in one transaction with its rows here: it is there whole or not at all, so that its
    first files cannot pass for its last.
    """
    if run.is_enqueued:
        return
    if not run.other_job_ids:
        yield _enqueue_others(run)
    known = set(run.packages.values_list("name", flat=True))
    found = library.find_packages() if packages is None else packages
    for batch in _batches({name: labels for name, labels in found.items() if name not in known}):
        with transaction.atomic():
            count = sum(_enqueue_package(run, name, labels) for name, labels in batch.items())
        yield count
    run.is_enqueued = True
    run.save(update_fields=["is_enqueued"])


def _enqueue_others(run: Run) -> int:
    """Enqueue the jobs of other kinds: slow, unreliable, due later."""
    mine = {"correlation_id": run.correlation_id}
    due_at = timezone.now() + timedelta(seconds=DUE_IN_SECONDS)
    seeds = [(seed,) for seed in range(PARTNER_COUNT)]
    with transaction.atomic():
        jobs = [
            Job.objects.enqueue(tasks.survey_library.using(**mine)),
            Job.objects.enqueue(tasks.ring.using(run_after=due_at, **mine), due_at.isoformat()),
            *Job.objects.enqueue_many(tasks.call_partner.using(**mine), seeds),
        ]
        run.other_job_ids = [str(job.pk) for job in jobs]
        run.save(update_fields=["other_job_ids"])
    return len(jobs)


def _enqueue_package(run: Run, name: str, labels: list[str]) -> int:
    package = Package.objects.create(run=run, name=name)
    task = tasks.analyse_file.using(correlation_id=run.correlation_id, subject=name)
    jobs = Job.objects.enqueue_many(task, [(label,) for label in labels])
    SourceFile.objects.bulk_create(
        SourceFile(package=package, path=label, job=job) for label, job in zip(labels, jobs, strict=True)
    )
    return len(jobs)


def _batches(packages: dict[str, list[str]]) -> Iterator[dict[str, list[str]]]:
    batch: dict[str, list[str]] = {}
    for name, labels in packages.items():
        batch[name] = labels
        if sum(map(len, batch.values())) >= BATCH_FILES:
            yield batch
            batch = {}
    if batch:
        yield batch
