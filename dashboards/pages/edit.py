"""Edit and retry: new arguments for a job that has ended, shown as a difference before anything is changed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboards import access, snapshot
from dashboards.pages.screen import show
from jobs.admin.display import PAYLOAD_PERMISSION
from jobs.admin.editing import EDIT_PERMISSION, ArgumentsForm
from jobs.admin.payload import pretty
from jobs.admin.verbs import RETRY
from jobs.conf import get_settings
from jobs.errors import NotPermitted
from jobs.lifecycle import operate
from jobs.models import Job

PERMISSIONS = (EDIT_PERMISSION, PAYLOAD_PERMISSION, RETRY.permission)
KINDS = {"+": "added", "-": "removed", "@": "place"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference; `kind` is "added", "removed", "place" or empty."""

    text: str
    kind: str


def may_edit(user: Any, job: Job) -> bool:
    """Say whether the user may replace the job's arguments and retry it, and the job allows it."""
    return all(user.has_perm(name) for name in PERMISSIONS) and not operate.why_not_retried(job)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@access.page("jobs.view_job")
def edit(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show the arguments as JSON; a first POST checks them and shows what differs, a second one retries the job."""
    for permission in PERMISSIONS:
        try:
            operate.permit(request.user, permission, "edit", target=f"job {job_id}")
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from None
    job = Job.objects.using(get_settings().database).filter(pk=job_id).first()
    if job is None:
        raise Http404
    page = HttpResponseRedirect(reverse("dashboards:job", args=[job_id]))
    if why := operate.why_not_retried(job):
        messages.warning(request, f"Not edited: {why}.")
        return page
    form = ArgumentsForm(job, request.POST or None)
    difference: list[Line] | None = None
    checked = ""
    if form.is_valid():
        values = form.cleaned_data
        checked = _mark(values)
        if request.POST.get("checked") == checked:
            _retry(request, job, values)
            return page
        difference = difference_of((job.args, job.kwargs), (values["args"], values["kwargs"]))
    return show(
        request, "edit", parent="jobs", job=job, form=form, difference=difference, checked=checked, every=3600,
    )  # fmt: skip


def _retry(request: HttpRequest, job: Job, values: dict[str, Any]) -> None:
    report = operate.revive(
        [job.pk], actor=request.user, reason=values["reason"], args=values["args"], kwargs=values["kwargs"],
        version=values["version"],
    )  # fmt: skip
    snapshot.forget()
    if report.changed:
        messages.success(request, "Job retried with the new arguments.")
    else:
        messages.warning(request, f"The job was left as it is: {', '.join(report.skipped.values())}.")


def difference_of(before: Sequence[Any], after: Sequence[Any]) -> list[Line]:
    """Return what differs between two pairs of arguments, line by line; nothing if they are the same."""
    old, new = (_lines(args, kwargs) for args, kwargs in (before, after))
    lines = list(unified_diff(old, new, lineterm="", n=3))[2:]
    return [Line(line, KINDS.get(line[:1], "")) for line in lines]


def _lines(args: Any, kwargs: Any) -> list[str]:
    return ["positional", *pretty(args).splitlines(), "keyword", *pretty(kwargs).splitlines()]


def _mark(values: dict[str, Any]) -> str:
    """Return a text that stands for these very arguments: what is retried is what was shown."""
    return hashlib.sha256(pretty([values["args"], values["kwargs"]]).encode(errors="replace")).hexdigest()
