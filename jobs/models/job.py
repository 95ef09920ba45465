"""The job: one row is one job, from enqueue to its final state.

Columns of the claim (`claim`, `claimed_at`, `worker`) are set only while it runs. `lifecycle` writes the state; the
constraints below say the same in the database's words.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.log_context import trace_id_of
from jobs.models.fields import DatabaseUUID7, json_default, uuid7
from jobs.states import FINAL, UNFINISHED, WAITING, JobState

_FINAL, _UNFINISHED = sorted(FINAL), sorted(UNFINISHED)
_DUE_LATER = [JobState.RETRYING, JobState.SCHEDULED]


def _front_door() -> Any:
    # models stand at the bottom of the import order; the AppConfig plugs the enqueueing module in
    return apps.get_app_config("jobs").front_door  # type: ignore[attr-defined] # JobsConfig


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs by state, and the ways to enqueue them."""

    def scheduled(self) -> "JobQuerySet":
        return self.filter(state=JobState.SCHEDULED)

    def queued(self) -> "JobQuerySet":
        return self.filter(state=JobState.QUEUED)

    def running(self) -> "JobQuerySet":
        return self.filter(state=JobState.RUNNING)

    def retrying(self) -> "JobQuerySet":
        return self.filter(state=JobState.RETRYING)

    def succeeded(self) -> "JobQuerySet":
        return self.filter(state=JobState.SUCCEEDED)

    def dead(self) -> "JobQuerySet":
        return self.filter(state=JobState.DEAD)

    def cancelled(self) -> "JobQuerySet":
        return self.filter(state=JobState.CANCELLED)

    def unfinished(self) -> "JobQuerySet":
        return self.filter(state__in=_UNFINISHED)

    def final(self) -> "JobQuerySet":
        return self.filter(state__in=_FINAL)

    def enqueue(self, task: Any, /, *args: Any, **kwargs: Any) -> "Job":
        """Enqueue one job of a task, a `using()` copy or a dotted name, in the current transaction.

        With a `unique_key` that an unfinished job holds, that job is returned with `is_duplicate` set.

        Raises: InvalidJob and its subclasses; nothing is written then.
        """
        job: Job = _front_door().enqueue(task, args, kwargs)
        return job

    async def aenqueue(self, task: Any, /, *args: Any, **kwargs: Any) -> "Job":
        """See enqueue()."""
        job: Job = await _front_door().aenqueue(task, args, kwargs)
        return job

    def enqueue_many(self, task: Any, calls: Iterable[Sequence[Any] | Mapping[str, Any]]) -> "list[Job]":
        """Enqueue one job per call, all or none, in few statements.

        Each call is a tuple or list of positional arguments or a dict of keyword arguments.

        Raises: InvalidJob and its subclasses; nothing is written then.
        """
        jobs: list[Job] = _front_door().enqueue_many(task, calls)
        return jobs

    async def aenqueue_many(self, task: Any, calls: Iterable[Sequence[Any] | Mapping[str, Any]]) -> "list[Job]":
        """See enqueue_many()."""
        jobs: list[Job] = await _front_door().aenqueue_many(task, calls)
        return jobs

    def bulk_create(  # type: ignore[override] # the options for conflicts make no sense for jobs
        self, objs: Iterable["Job"], batch_size: int | None = None, **options: Any
    ) -> "list[Job]":
        """Enqueue unsaved jobs: the same checks and the same path as `enqueue`.

        Raises: InvalidJob and its subclasses; TypeError for an option other than `batch_size`.
        """
        if any(options.values()):
            raise TypeError(f"Job.objects.bulk_create takes no {', '.join(options)}: use unique_key")
        jobs: list[Job] = _front_door().insert(list(objs))
        return jobs


class Job(models.Model):
    """A unit of work and everything known about it."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=DatabaseUUID7(), editable=False)
    task = models.CharField(max_length=128)
    args = models.JSONField(default=list, db_default=json_default("[]"), blank=True)
    kwargs = models.JSONField(default=dict, db_default=json_default("{}"), blank=True)
    payload_format = models.CharField(max_length=16, default="json", db_default="json")
    queue = models.CharField(max_length=128, default="default", db_default="default")
    priority = models.SmallIntegerField(default=0, db_default=0)
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in JobState], default=JobState.QUEUED, db_default="queued"
    )
    reason = models.CharField(max_length=255, default="", db_default="", blank=True)

    attempt = models.IntegerField(default=0, db_default=0)
    failure_count = models.IntegerField(default=0, db_default=0)
    loss_count = models.IntegerField(default=0, db_default=0)
    max_attempts = models.IntegerField(null=True, blank=True)  # null: what the task says
    timeout_seconds = models.IntegerField(null=True, blank=True)  # null: what the task says; 0: none

    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True, blank=True)
    publish_seq = models.IntegerField(default=0, db_default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claim = models.BigIntegerField(null=True, blank=True)
    worker = models.CharField(max_length=128, default="", db_default="", blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    unique_key = models.CharField(max_length=255, null=True, blank=True)
    tags = models.JSONField(default=list, db_default=json_default("[]"), blank=True)
    meta = models.JSONField(default=dict, db_default=json_default("{}"), blank=True)
    progress = models.JSONField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    fingerprint = models.CharField(max_length=16, null=True, blank=True)  # of the last failed attempt
    trace = models.CharField(max_length=255, default="", db_default="", blank=True)
    correlation_id = models.CharField(max_length=128, default="", db_default="", blank=True)
    parent_id = models.UUIDField(null=True, blank=True)
    tenant = models.CharField(max_length=128, default="", db_default="", blank=True)
    subject = models.CharField(max_length=255, default="", db_default="", blank=True)
    enqueued_by = models.CharField(max_length=128, default="", db_default="", blank=True)

    objects = JobQuerySet.as_manager()

    is_duplicate = False
    """True on the job that an enqueue returned because an unfinished one held its unique_key."""

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["queue", "-priority", "id"],
                name="jobs_job_to_publish",
                condition=Q(state=JobState.QUEUED, published_at__isnull=True),
            ),
            models.Index(
                fields=["queue", "-priority", "id"],
                name="jobs_job_lost",
                condition=Q(state=JobState.QUEUED, published_at__isnull=True, loss_count__gt=0),
            ),
            # with the task, for which a search reads the whole index instead of each waiting job
            models.Index(fields=["published_at", "task"], name="jobs_job_queued", condition=Q(state=JobState.QUEUED)),
            models.Index(fields=["due_at", "task"], name="jobs_job_later", condition=Q(state__in=_DUE_LATER)),
            models.Index(
                fields=["expires_at"],
                name="jobs_job_expiring",
                condition=Q(state__in=sorted(WAITING), expires_at__isnull=False),
            ),
            models.Index(fields=["worker"], name="jobs_job_running", condition=Q(state=JobState.RUNNING)),
            models.Index(fields=["state", "finished_at"], name="jobs_job_final", condition=Q(state__in=_FINAL)),
            # jobs that move have no entry: it would cost each claim a quarter more
            models.Index(
                fields=["task", "id"], name="jobs_job_task", condition=Q(state__in=sorted(FINAL | {JobState.BLOCKED}))
            ),
            models.Index(fields=["fingerprint", "id"], name="jobs_job_dead_alike", condition=Q(state=JobState.DEAD)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["unique_key"],
                name="jobs_job_unique_key",
                condition=Q(state__in=_UNFINISHED, unique_key__isnull=False),
            ),
            models.CheckConstraint(condition=Q(state__in=sorted(JobState)), name="jobs_job_state"),
            models.CheckConstraint(
                condition=Q(state__in=_FINAL, finished_at__isnull=False)
                | Q(state__in=_UNFINISHED, finished_at__isnull=True),
                name="jobs_job_final_has_end",
            ),
            models.CheckConstraint(
                condition=Q(state=JobState.RUNNING, claim__isnull=False, claimed_at__isnull=False)
                | (~Q(state=JobState.RUNNING) & Q(claim__isnull=True, claimed_at__isnull=True)),
                name="jobs_job_running_has_claim",
            ),
            models.CheckConstraint(
                condition=Q(state=JobState.QUEUED) | Q(published_at__isnull=True), name="jobs_job_published_is_queued"
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=-100, priority__lte=100), name="jobs_job_priority_range"
            ),
            models.CheckConstraint(
                condition=Q(attempt__gte=0, failure_count__gte=0, loss_count__gte=0, publish_seq__gte=0),
                name="jobs_job_counts",
            ),
            models.CheckConstraint(
                condition=Q(max_attempts__isnull=True) | Q(max_attempts__gte=1), name="jobs_job_max_attempts"
            ),
        ]
        permissions = [
            ("view_payload", "Can see arguments and results of jobs"),
            ("retry_job", "Can retry and run jobs now"),
            ("edit_job", "Can edit a job's arguments"),
            ("cancel_job", "Can cancel jobs"),
            ("discard_job", "Can discard dead letters"),
            ("export_job", "Can export lists of jobs"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Enqueue a new job; an existing one changes only by the verbs of `lifecycle`.

        Raises: InvalidJob and its subclasses; TypeError for a job that is in the ledger already.
        """
        if not self._state.adding:
            raise TypeError("a job changes only by the verbs of jobs.lifecycle, never by save()")
        _front_door().insert([self])

    async def asave(self, *args: Any, **kwargs: Any) -> None:
        """See save()."""
        await _front_door().ainsert([self])

    @property
    def trace_id(self) -> str:
        """The trace in which it was enqueued, as 32 hexadecimal digits; empty if `trace` is no W3C traceparent."""
        return trace_id_of(self.trace)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL
