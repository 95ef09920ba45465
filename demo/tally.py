"""How a run stands, counted in the ledger."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef

from demo.models import Run, SourceFile
from jobs.models import Job
from jobs.states import FINAL, UNFINISHED, JobState


@dataclass(frozen=True, slots=True)
class Tally:
    """How a run stands; every count is of jobs."""

    enqueued: int
    states: dict[str, int]

    @property
    def finished(self) -> int:
        return sum(self.states.get(state, 0) for state in FINAL)

    @property
    def pending(self) -> int:
        return sum(self.states.get(state, 0) for state in UNFINISHED)

    def count(self, state: JobState) -> int:
        return self.states.get(state, 0)


def is_finished(run: Run) -> bool:
    """Tell whether all jobs of the run are final and every package has its summary."""
    return (
        run.is_enqueued
        and not run.packages.filter(summary_job=None).exists()
        and not Job.objects.unfinished().filter(correlation_id=run.correlation_id).exists()
    )


def tally(run: Run) -> Tally:
    """Count the run's jobs by state."""
    jobs = Job.objects.filter(correlation_id=run.correlation_id).order_by()
    files = SourceFile.objects.filter(package__run=run)
    summaries = run.packages.exclude(summary_job=None)
    return Tally(
        enqueued=files.count() + summaries.count() + len(run.other_job_ids),
        states=dict(jobs.values_list("state").annotate(count=Count("id"))),
    )


def retried_count(run: Run) -> int:
    """Count the run's jobs that took more than one attempt."""
    return Job.objects.filter(correlation_id=run.correlation_id, attempt__gt=1).count()


def lost_count(run: Run) -> int:
    """Count the jobs that were enqueued for the run but are no longer in the ledger."""
    files = SourceFile.objects.filter(package__run=run)
    summaries = run.packages.exclude(summary_job=None)
    lost_files = files.exclude(Exists(Job.objects.filter(pk=OuterRef("job_id"))))
    lost_summaries = summaries.exclude(Exists(Job.objects.filter(pk=OuterRef("summary_job_id"))))
    lost_others = len(run.other_job_ids) - Job.objects.filter(pk__in=run.other_job_ids).count()
    return lost_files.count() + lost_summaries.count() + lost_others
