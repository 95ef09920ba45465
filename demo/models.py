"""The demo's own data: which files one run works on, and which of them are finished.

The states of the jobs stand in the ledger; here stands what an application would keep beside it.
"""

from django.db import models

from jobs.models import Job


class Run(models.Model):
    """One pass over all files."""

    started_at = models.DateTimeField(auto_now_add=True)
    is_enqueued = models.BooleanField(default=False)  # every file has its job
    other_job_ids = models.JSONField(default=list)  # of the jobs that stand for no file

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def correlation_id(self) -> str:
        """What all jobs of this run carry."""
        return f"demo-{self.pk}"


class Package(models.Model):
    """A top-level package whose files are counted down to its summary."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="packages")
    name = models.CharField(max_length=255)
    # retention deletes jobs without asking: the link has no constraint and may dangle
    summary_job = models.OneToOneField(
        Job, on_delete=models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="demo_package_run_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.run})"


class SourceFile(models.Model):
    """One file and its job."""

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    job = models.OneToOneField(Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    is_finished = models.BooleanField(default=False)  # counted, with whatever final state

    class Meta:
        constraints = [models.UniqueConstraint(fields=["package", "path"], name="demo_sourcefile_path")]
        indexes = [
            models.Index(
                fields=["package"], name="demo_sourcefile_open", condition=models.Q(is_finished=False)
            )
        ]

    def __str__(self) -> str:
        return self.path
