"""The dead-letter set: jobs that wait for an operator."""

from django.db import models

from jobs.models.job import Job, JobQuerySet
from jobs.states import JobState


class DeadLetterManager(models.Manager.from_queryset(JobQuerySet)):  # type: ignore[misc]
    """Only dead jobs."""

    def get_queryset(self) -> JobQuerySet:
        queryset: JobQuerySet = super().get_queryset()
        return queryset.filter(state=JobState.DEAD)


class DeadLetter(Job):
    """A job whose attempts are exhausted, or that failed for good."""

    objects = DeadLetterManager()  # type: ignore[misc] # the stubs take the inherited manager for final

    class Meta:
        proxy = True
        ordering = ["-finished_at"]
        verbose_name = "dead letter"
