"""Workers: one row per incarnation of a worker process, never reused."""

from enum import StrEnum

from django.db import models
from django.db.models.functions import Now

from jobs.models.fields import json_default


class WorkerState(StrEnum):
    """What a worker does."""

    ACTIVE = "active"  # receives and runs
    STOPPING = "stopping"  # finishes what runs, receives nothing
    STOPPED = "stopped"  # ended in good order
    LOST = "lost"  # vanished; its jobs were given to others, and it never heartbeats or claims again


class Request(StrEnum):
    """What an operator has asked of a worker's pool; its parent learns of it with the next heartbeat."""

    NONE = ""
    DRAIN = "drain"  # take no new job, finish what runs however long it takes, and end
    STOP = "stop"  # the same, but what runs beyond the grace of a shutdown is interrupted


LIVING = (WorkerState.ACTIVE.value, WorkerState.STOPPING.value)


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Workers by what is known of them."""

    def living(self) -> "WorkerQuerySet":
        return self.filter(state__in=LIVING)


class Worker(models.Model):
    """One worker process from its start to its end."""

    id = models.CharField(primary_key=True, max_length=128)
    pool = models.CharField(max_length=128)
    node = models.CharField(max_length=128)
    host = models.CharField(max_length=128)  # machine, boot and PID namespace: where `pid` means something
    pid = models.IntegerField()
    pid_started_at = models.FloatField(default=0, db_default=0)  # see host.py; with pid it names one process
    queues = models.JSONField(default=list, db_default=json_default("[]"))  # empty: all
    thread_count = models.IntegerField(default=1, db_default=1)
    coroutine_count = models.IntegerField(default=0, db_default=0)
    code_version = models.CharField(max_length=64, default="", db_default="")
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in WorkerState], default=WorkerState.ACTIVE
    )
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    runs = models.JSONField(default=list, db_default=json_default("[]"))  # [{"job": id, "seconds": float}]
    memory_bytes = models.BigIntegerField(default=0, db_default=0)
    asked = models.CharField(max_length=8, default=Request.NONE, db_default="", blank=True)  # see Request

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["heartbeat_at"], name="jobs_worker_living", condition=models.Q(state__in=LIVING))
        ]
        permissions = [("manage_worker", "Can quiet and stop workers")]

    def __str__(self) -> str:
        return self.id
