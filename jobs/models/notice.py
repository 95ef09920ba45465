"""What people are to be told: how much of it waits, and when they were told last."""

from django.db import models

from jobs.models.fields import json_default


class Notice(models.Model):
    """One subject of notifications: the dead letters of one fingerprint, or one cause of an alert."""

    key = models.CharField(primary_key=True, max_length=200)
    kind = models.CharField(max_length=16)  # "alert" or "dead_letters", in the order in which they are told
    pending_count = models.BigIntegerField(default=0, db_default=0)
    """How often it has happened since people were told last."""
    first_at = models.DateTimeField()  # of what is pending
    last_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    details = models.JSONField(default=dict, db_default=json_default("{}"))  # of the last one

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
