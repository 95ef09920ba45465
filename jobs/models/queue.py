"""Queues as operators see them."""

from django.db import models
from django.db.models.functions import Now


class Queue(models.Model):
    """A queue that has been used or paused; a queue needs no row to work."""

    name = models.CharField(primary_key=True, max_length=128)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(max_length=150, default="", db_default="", blank=True)
    paused_reason = models.CharField(max_length=255, default="", db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        permissions = [("pause_queue", "Can pause and resume queues")]

    def __str__(self) -> str:
        return self.name
