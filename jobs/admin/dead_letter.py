"""Dead letters in the admin: jobs that wait for an operator."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.confirmation import actions_of
from jobs.admin.display import moment
from jobs.admin.job import JobPage
from jobs.admin.lists import FailureFilter, QueueFilter, TaskFilter
from jobs.admin.verbs import DISCARD, RETRY
from jobs.filters import StateIn
from jobs.models import Attempt, DeadLetter
from jobs.states import FINAL


@admin.register(DeadLetter)
class DeadLetterAdmin(JobPage):
    """Dead jobs, the last to die first."""

    verbs = (RETRY, DISCARD)
    actions = actions_of(verbs)
    list_display = ["task", "exception", "queue", "failure_count", moment("finished_at"), "shown_id"]
    list_filter = [FailureFilter, QueueFilter, TaskFilter]
    ordering = ["-finished_at"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        last = Attempt.objects.filter(job=OuterRef("pk")).order_by("-number")
        rows = super().get_queryset(request).filter(StateIn(FINAL))
        letters: QuerySet[Any] = rows.annotate(
            exception_class=Subquery(last.values("exception_class")[:1]),
            exception_message=Subquery(last.values("message")[:1]),
        )
        return letters

    def page_after(self, request: HttpRequest, obj: Any) -> str:
        # a retried or discarded letter is none any more, but still a job
        if self.get_queryset(request).filter(pk=obj.pk).exists():
            return super().page_after(request, obj)
        return reverse(f"{self.admin_site.name}:jobs_job_change", args=[obj.pk])

    @admin.display(description="exception")
    def exception(self, letter: Any) -> SafeString:
        parts = filter(None, [letter.exception_class, letter.exception_message])
        return display.line(": ".join(parts) or letter.reason)
