"""The operators' log: who changed what, when, why, before and after. Append-only."""

from typing import Any

from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One change by a person or a command."""

    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=32)
    target = models.CharField(max_length=160)  # "job 0190…", "queue mail", "schedule nightly"
    result = models.CharField(max_length=16, default="done", db_default="done")  # done, refused
    reason = models.CharField(max_length=255, default="", db_default="", blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    # no foreign key: operations are deleted some day, the log is not changed
    operation_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["target", "id"], name="jobs_auditentry_target"),
            models.Index(
                fields=["operation_id", "id"],
                name="jobs_auditentry_operation",
                condition=models.Q(operation_id__isnull=False),
            ),
            # the log as people read it: an operation on 100,000 jobs is one line of it
            models.Index(
                fields=["id"], name="jobs_auditentry_alone", condition=models.Q(operation_id__isnull=True)
            ),
        ]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Append the entry.

        Raises: TypeError for one that stands in the log already.
        """
        if not self._state.adding:
            raise TypeError("the audit log is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse.

        Raises: TypeError, always.
        """
        raise TypeError("the audit log is append-only")
