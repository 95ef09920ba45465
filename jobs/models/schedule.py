"""Schedules: periodic jobs as rows, and the record of each time one fired."""

from django.db import models
from django.db.models.functions import Now

from jobs.models.fields import json_default


class Misfire(models.TextChoices):
    """What to do about times that passed while no scheduler ran."""

    SKIP = "skip", "skip missed times"
    ONCE = "once", "run once for all missed times"


class Schedule(models.Model):
    """A job to enqueue again and again, by cron or by interval."""

    name = models.CharField(max_length=128, unique=True)
    task = models.CharField(max_length=128)
    args = models.JSONField(default=list, db_default=json_default("[]"), blank=True)
    kwargs = models.JSONField(default=dict, db_default=json_default("{}"), blank=True)
    queue = models.CharField(max_length=128, default="", db_default="", blank=True)  # empty: the task's
    priority = models.SmallIntegerField(null=True, blank=True)  # null: the task's
    cron = models.CharField(max_length=128, default="", db_default="", blank=True)
    every_seconds = models.IntegerField(null=True, blank=True)
    timezone = models.CharField(max_length=64, default="UTC", db_default="UTC")
    misfire = models.CharField(max_length=8, choices=Misfire.choices, default=Misfire.SKIP, db_default="skip")
    is_enabled = models.BooleanField(default=True, db_default=True)
    declared = models.JSONField(null=True, blank=True)  # what QUEUEHUB["SCHEDULES"] said at the last sync
    is_edited = models.BooleanField(default=False, db_default=False)  # an operator's edit wins over the setting
    next_at = models.DateTimeField(null=True, blank=True)  # null: the scheduler works it out
    # the timing by which the scheduler worked next_at out; once it differs from the row's, next_at is stale
    planned_by = models.CharField(max_length=255, default="", db_default="", blank=True)
    last_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(default="", db_default="", blank=True)  # why the last firing enqueued nothing
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["next_at"], name="jobs_schedule_next", condition=models.Q(is_enabled=True))]
        constraints = [
            models.CheckConstraint(
                condition=(models.Q(cron="") & models.Q(every_seconds__gte=1))
                | (~models.Q(cron="") & models.Q(every_seconds__isnull=True)),
                name="jobs_schedule_cron_or_interval",
            )
        ]
        permissions = [("run_schedule", "Can run, pause and edit schedules")]

    def __str__(self) -> str:
        return self.name


class ScheduleRun(models.Model):
    """One firing; the unique constraint is what makes a double fire impossible."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="schedule_runs", db_index=False)
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField(db_default=Now())
    job_id = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ["-due_at"]
        constraints = [models.UniqueConstraint(fields=["schedule", "due_at"], name="jobs_schedulerun_once")]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.due_at}"
