"""Jobs as rows of lists: what the last attempt of a failed one said, and whether a shown row has changed since."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.conf import get_settings
from jobs.models import Attempt, Job
from jobs.states import FINAL, JobState

FAILED = frozenset({JobState.DEAD, JobState.RETRYING})
DIGITS = 4
"""Hexadecimal digits of a row's mark: of 50 changed rows, not one goes unnoticed in a thousand pages."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job of a list."""

    job: Job
    exception_class: str = ""
    message: str = ""

    @property
    def short_id(self) -> str:
        """The end of the id: jobs of one moment begin alike."""
        return str(self.job.pk)[-12:]

    @property
    def is_final(self) -> bool:
        return self.job.state in FINAL


def job_rows(jobs: Sequence[Job]) -> list[JobRow]:
    """Return the jobs as rows; one statement finds what the failed ones said last."""
    failed = {(job.pk, job.attempt) for job in jobs if job.state in FAILED and job.attempt}
    told: dict[object, tuple[str, str]] = {}
    if failed:
        attempts = Attempt.objects.using(get_settings().database).filter(
            job_id__in=[job_id for job_id, _ in failed], number__in={number for _, number in failed}
        )
        columns = ("job_id", "number", "exception_class", "message")
        for job_id, number, exception_class, message in attempts.order_by().values_list(*columns):
            if (job_id, number) in failed:
                told[job_id] = (exception_class, message)
    return [JobRow(job, *told.get(job.pk, ("", job.reason))) for job in jobs]


def marks_of(jobs: Iterable[Job]) -> str:
    """Return one short mark per job, which is another one as soon as the job has moved."""
    return "".join(_mark(job) for job in jobs)


def changed_count(jobs: Sequence[Job], seen: str) -> int:
    """Count what differs from the rows whose marks were shown: other rows, rows that moved, rows that are gone."""
    known = {seen[start : start + DIGITS] for start in range(0, len(seen), DIGITS)}
    present = {_mark(job) for job in jobs}
    return max(len(present - known), len(known - present))


def _mark(job: Job) -> str:
    return hashlib.sha256(f"{job.pk} {job.state} {job.attempt}".encode()).hexdigest()[:DIGITS]
