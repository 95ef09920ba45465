"""The history: one row per run that began."""

from django.db import models

from jobs.models.job import Job
from jobs.states import Outcome


class Attempt(models.Model):
    """One run of a job, written when it has ended."""

    # no constraint in the database: the row is inserted in the transaction that updates its job, and a
    # foreign-key check per attempt would cost more than the insert
    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="attempts", db_index=False, db_constraint=False
    )
    number = models.IntegerField()
    outcome = models.CharField(max_length=16, choices=[(o.value, o.value) for o in Outcome])
    claim = models.BigIntegerField()
    worker = models.CharField(max_length=128)
    host = models.CharField(max_length=128, default="", db_default="")
    pid = models.IntegerField(default=0, db_default=0)
    code_version = models.CharField(max_length=64, default="", db_default="")
    queue = models.CharField(max_length=128)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    is_alone = models.BooleanField(default=False, db_default=False)  # nothing else ran in its worker then
    exception_class = models.CharField(max_length=255, default="", db_default="")
    message = models.CharField(max_length=1000, default="", db_default="")
    traceback = models.TextField(default="", db_default="")
    fingerprint = models.CharField(max_length=16, null=True, blank=True)  # of a failure, see jobs/fingerprints.py
    log = models.TextField(null=True, blank=True)  # what the task wrote by context.log()

    class Meta:
        ordering = ["job", "number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="jobs_attempt_job_number"),
            models.CheckConstraint(
                condition=models.Q(outcome__in=sorted(Outcome)), name="jobs_attempt_outcome"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.number} {self.outcome}"

    @property
    def duration_seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()
