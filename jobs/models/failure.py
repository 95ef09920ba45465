"""Failures that are the same: what they are, when they came and how many there were."""

from django.db import models

from jobs.models.fields import json_default


class Failure(models.Model):
    """One failed attempt on its way into its group; written with the attempt, deleted when it was counted."""

    failed_at = models.DateTimeField()
    fingerprint = models.CharField(max_length=16)
    exception_class = models.CharField(max_length=255)
    message = models.CharField(max_length=1000)
    frame = models.CharField(max_length=255)
    task = models.CharField(max_length=128)
    job_id = models.UUIDField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.job_id}"


class FailureGroup(models.Model):
    """All failures with one fingerprint. How many of its jobs are dead now, the jobs themselves say."""

    fingerprint = models.CharField(max_length=16, primary_key=True)
    exception_class = models.CharField(max_length=255)
    message = models.CharField(max_length=500)  # without what differs from run to run
    sample = models.CharField(max_length=1000)  # the last message as it was
    frame = models.CharField(max_length=255)
    tasks = models.JSONField(default=list, db_default=json_default("[]"))  # names of up to ten tasks
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    last_job_id = models.UUIDField()
    count = models.BigIntegerField(default=0, db_default=0)
    minutes = models.JSONField(default=dict, db_default=json_default("{}"))
    """Failures of the last hour: {minute since the epoch: number}."""
    hours = models.JSONField(default=dict, db_default=json_default("{}"))
    """Failures of the last seven days: {hour since the epoch: number}."""

    class Meta:
        ordering = ["-last_seen_at"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["last_seen_at"], name="jobs_failuregroup_seen")]

    def __str__(self) -> str:
        return f"{self.exception_class}: {self.message}"
