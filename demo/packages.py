"""Counting a package's files down, and its one summary.

The ledger runs a job at least once and may end it in three ways; the summary must come exactly once, after
the last file. Three things see to it: each file is ticked off once (`is_finished`), the package's row is
locked while somebody asks "was I the last?", and that row remembers the summary's job.
"""

from typing import Any
from uuid import UUID

from django.db import transaction

from demo.models import Package, SourceFile
from jobs.models import Job
from jobs.states import FINAL, JobState

SUMMARY_TASK = "demo.tasks.summarise_package"


def count_file(job_id: UUID | str) -> None:
    """Tick this job's file off; if it was its package's last, enqueue the summary, in one transaction.

    A job that stands for no file, or for one that is ticked off already, changes nothing. Locks the
    package's row until the caller's transaction ends.
    """
    with transaction.atomic():
        file = SourceFile.objects.filter(job_id=job_id, is_finished=False).first()
        if file is None:
            return
        # the lock comes before the question: of two last files, the later one sees the earlier one's tick
        package = Package.objects.select_for_update().get(pk=file.package_id)
        SourceFile.objects.filter(pk=file.pk).update(is_finished=True)
        if package.summary_job_id is None and not package.files.filter(is_finished=False).exists():
            package.summary_job = Job.objects.create(
                task=SUMMARY_TASK,
                args=[package.pk],
                unique_key=f"demo.summary.{package.pk}",
                correlation_id=package.run.correlation_id,
                subject=package.name,
            )
            package.save(update_fields=["summary_job"])


def count_ended_files() -> int:
    """Tick off every file whose job ended without doing so itself, and return how many there were.

    A file that dies or is cancelled cannot count itself: its transaction is rolled back. `listeners` does
    it at once; this finds those whose worker was killed in between.
    """
    ended = SourceFile.objects.filter(is_finished=False, job__state__in=FINAL)
    job_ids = list(ended.values_list("job_id", flat=True))
    for job_id in job_ids:
        count_file(job_id)
    return len(job_ids)


def summary_of(package: Package) -> dict[str, Any]:
    """Return the package's figures from its files' results.

    `{"package": str, "files": int, "dead": int, "lines": int, "functions": int, "classes": int,
    "longest_function": {"name": str, "lines": int, "path": str} | None}`; only successes have figures.
    """
    summary = dict.fromkeys(("files", "dead", "lines", "functions", "classes"), 0)
    longest: dict[str, Any] | None = None
    for path, state, result in package.files.values_list("path", "job__state", "job__result"):
        summary["files"] += 1
        summary["dead"] += state == JobState.DEAD
        if state != JobState.SUCCEEDED:
            continue
        for figure in ("lines", "functions", "classes"):
            summary[figure] += result[figure]
        candidate = result["longest_function"]
        if candidate and (longest is None or candidate["lines"] > longest["lines"]):
            longest = {**candidate, "path": path}
    return {"package": package.name, **summary, "longest_function": longest}
