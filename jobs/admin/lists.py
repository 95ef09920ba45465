"""Filters of lists whose choices come from code or small tables, never from a scan of all jobs."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs.conf import get_settings
from jobs.definition import registry
from jobs.filters import StateIn
from jobs.models import FailureGroup, Queue
from jobs.states import FINAL, JobState


class StateFilter(admin.SimpleListFilter):
    """Jobs by state, worded so that the partial indexes serve it."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.value) for state in JobState]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        state = self.value()
        if state not in set(JobState):
            return queryset
        found = queryset.filter(state=state)
        return found.filter(StateIn(FINAL)) if state in FINAL else found


class _NameFilter(admin.SimpleListFilter):
    """One name of a column; the present choice is offered even if nothing else knows it."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = self.names() | ({self.value()} if self.value() else set())
        return [(name, name) for name in sorted(filter(None, names))]

    def names(self) -> set[str | None]:
        """Return the names to choose from."""
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class QueueFilter(_NameFilter):
    """Queues of registered tasks and of rows."""

    title = "queue"
    parameter_name = "queue"

    def names(self) -> set[str | None]:
        rows = Queue.objects.using(get_settings().database).values_list("name", flat=True)
        return {*rows, *(task.queue_name for task in registry)}


class TaskFilter(_NameFilter):
    """Registered tasks."""

    title = "task"
    parameter_name = "task"

    def names(self) -> set[str | None]:
        return {task.module_path for task in registry}


class FailureFilter(admin.SimpleListFilter):
    """Dead letters that died of the same; offered are the failures that were seen last."""

    title = "failure"
    parameter_name = "fingerprint"
    shown = 12

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        groups = FailureGroup.objects.using(get_settings().database)
        latest = [(group.pk, str(group)[:60]) for group in groups.order_by("-last_seen_at")[: self.shown]]
        if self.value() and self.value() not in dict(latest):
            latest += [(group.pk, str(group)[:60]) for group in groups.filter(pk=self.value())]
        return latest

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(StateIn([JobState.DEAD]), fingerprint=self.value()) if self.value() else queryset
