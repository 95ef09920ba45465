"""Bulk operations: one verb on many jobs, done in the background, batch by batch, and remembered."""

from enum import StrEnum

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.fields import json_default


class OperationState(StrEnum):
    """Where a bulk operation stands; the comment says who moves it on."""

    PREVIEW = "preview"  # counted, nothing is changed: whoever asked for it starts it
    RUNNING = "running"  # the scheduler, one batch after the other
    FINISHED = "finished"  # every job was changed, skipped or failed
    CANCELLED = "cancelled"  # somebody stopped it: what was done stays done
    FAILED = "failed"  # it could not go on; `error` says why


class Operation(models.Model):
    """One verb on a set of jobs. Exactly one of `filter`, `ids`, `fingerprint` and `undoes` says which."""

    verb = models.CharField(max_length=16)
    options = models.JSONField(default=dict, db_default=json_default("{}"), blank=True)
    """What the verb needs beside jobs: queue, run_after, args, kwargs."""
    filter = models.TextField(default="", db_default="", blank=True)
    ids = models.JSONField(null=True, blank=True)
    fingerprint = models.CharField(max_length=16, default="", db_default="", blank=True)
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="undone_by")
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=255, default="", db_default="", blank=True)

    state = models.CharField(
        max_length=16,
        choices=[(state.value, state.value) for state in OperationState],
        default=OperationState.PREVIEW,
        db_default=OperationState.PREVIEW.value,
    )
    per_second = models.IntegerField(null=True, blank=True)
    """Most jobs to change in a second; NULL: as fast as it goes."""
    expected_count = models.IntegerField(default=0, db_default=0)
    """Jobs that matched when it was previewed, counted up to a cap."""
    is_capped = models.BooleanField(default=False, db_default=False)
    possible_count = models.IntegerField(default=0, db_default=0)
    """Of the expected jobs those that could be changed then."""
    refusals = models.JSONField(default=dict, db_default=json_default("{}"), blank=True)
    """Why the others could not: {reason: number}."""
    changed_count = models.IntegerField(default=0, db_default=0)
    skipped_count = models.IntegerField(default=0, db_default=0)
    failed_count = models.IntegerField(default=0, db_default=0)
    cursor = models.CharField(max_length=64, default="", db_default="", blank=True)
    """The last job, position or audit row that is done with; written in the transaction of its batch."""
    last = models.CharField(max_length=64, default="", db_default="", blank=True)
    """The last one that matched at the start: what comes later is not touched."""
    error = models.CharField(max_length=255, default="", db_default="", blank=True)
    cancelled_by = models.CharField(max_length=150, default="", db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["next_at"], name="jobs_operation_running", condition=Q(state=OperationState.RUNNING))
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=sorted(OperationState)), name="jobs_operation_state"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} #{self.pk}"

    @property
    def done_count(self) -> int:
        return self.changed_count + self.skipped_count + self.failed_count

    @property
    def frequent_refusals(self) -> list[tuple[str, int]]:
        """Why how many others could not, the most frequent first: PostgreSQL orders JSON by its own rules."""
        return sorted(self.refusals.items(), key=lambda pair: (-pair[1], pair[0]))

    @property
    def is_over(self) -> bool:
        return self.state not in {OperationState.PREVIEW, OperationState.RUNNING}


class OperationResult(models.Model):
    """Why an operation left one job alone. What it changed stands in the audit log, with the operation's id."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="results", db_index=False)
    job_id = models.UUIDField()
    result = models.CharField(max_length=8)  # skipped, failed
    reason = models.CharField(max_length=255)

    class Meta:
        ordering = ["id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["operation", "job_id"], name="jobs_operationresult_once"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} {self.result}: {self.reason}"
