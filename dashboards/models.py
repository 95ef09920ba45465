"""What the pages remember between requests, for all web processes: how much somebody has tried."""

from django.db import models


class RateWindow(models.Model):
    """How often something was tried since the window began; see `limits`."""

    key = models.CharField(primary_key=True, max_length=64)  # a digest: neither names nor addresses are kept
    count = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.key[:8]} {self.count}"
