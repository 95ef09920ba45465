"""Statistics: appended with each settled batch, folded per minute, and kept as totals.

A settling transaction appends a `raw` row per queue and task; the scheduler folds raw rows into rows of minutes, hours
and totals. Charts read minutes and hours; Prometheus reads the totals plus the raw rows, so its counters equal the
ledger. A chart of everything reads rows of the whole site: with 200 tasks a week has 2,000,000 minutes of single tasks,
but 168 hours of the site.
"""

from enum import StrEnum

from django.db import models

from jobs.models.fields import json_default

# Upper bounds in seconds of the histograms; the last bucket is +Inf.
BUCKET_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Period(StrEnum):
    """What one row covers."""

    RAW = "raw"  # one settled batch, not folded yet
    MINUTE = "minute"  # one minute of one queue and task
    HOUR = "hour"  # one hour of one queue and task
    SITE_MINUTE = "all_min"  # one minute of all queues and tasks together
    SITE_HOUR = "all_hour"  # one hour of all queues and tasks together
    TOTAL = "total"  # everything folded since the first migration


class Statistic(models.Model):
    """Counts and histograms of one queue and task over one period."""

    period = models.CharField(max_length=8, default=Period.RAW, db_default="raw")
    minute_at = models.DateTimeField()  # start of the minute or hour; for totals the epoch
    queue = models.CharField(max_length=128)
    task = models.CharField(max_length=128)
    # counts by name. Attempts: their outcomes ("success", "error", …), "unrecorded". Jobs: final states that were
    # reached ("state_succeeded", "state_dead", "state_cancelled") and left ("revived", "given_up", "undone");
    # "moved_out", "moved_in" while unfinished; "retried", "rescued" and of these "rescued_silent", "republished".
    # Without queue and task: "messages_damaged", "messages_void", "action:<action>:<result>" of the audit log.
    counts = models.JSONField(default=dict, db_default=json_default("{}"))
    # {"wait": [sum_seconds, [count per bucket]], "run": …, "completion": …}
    histograms = models.JSONField(default=dict, db_default=json_default("{}"))

    class Meta:
        indexes = [models.Index(fields=["id"], name="jobs_statistic_raw", condition=models.Q(period=Period.RAW))]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "minute_at", "queue", "task"],
                name="jobs_statistic_folded",
                condition=~models.Q(period=Period.RAW),
            )
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.minute_at} {self.queue} {self.task}"
