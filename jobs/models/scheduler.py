"""The lease that elects one scheduler."""

from django.db import models


class SchedulerLease(models.Model):
    """Who leads until when, by the database's clock; one row."""

    name = models.CharField(primary_key=True, max_length=32)
    holder = models.CharField(max_length=128)
    term = models.BigIntegerField(default=0, db_default=0)  # rises with each change of the holder
    renewed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    acted_at = models.DateTimeField(null=True, blank=True)  # end of the leader's last full round

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
