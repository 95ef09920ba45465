"""What forms do to many jobs: an operation is previewed, started, stopped and undone. Forms are POSTs only."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboards import snapshot
from dashboards.actions import REASON_LENGTH
from dashboards.job_verbs import options_of
from jobs import operations
from jobs.conf import get_settings
from jobs.errors import FilterError, InvalidJob, NotPermitted
from jobs.models import Operation
from jobs.operations import BULK_VERBS, NotStarted

TYPED_ABOVE = 1000
"""Beyond so many jobs the number is to be typed."""


@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Count what a verb would do to the chosen jobs, and go to the page that asks whether it shall.

    The form says on which jobs: `ids`, a `fingerprint`, or with `scope=all` those of the filter `q`.
    """
    verb = BULK_VERBS.get(request.POST.get("verb", ""))
    if verb is None:
        raise Http404
    back = HttpResponseRedirect(_page_back(request))
    try:
        made = operations.preview(
            verb.name, actor=request.user, options=options_of(request, verb), **_selection(request)
        )
    except NotPermitted as error:
        raise PermissionDenied(str(error)) from None
    except (InvalidJob, FilterError) as error:
        messages.error(request, f"Nothing was changed: {error}")
        return back
    return HttpResponseRedirect(reverse("dashboards:operation", args=[made.pk]))


def _selection(request: HttpRequest) -> dict[str, Any]:
    """Return which jobs the form means, as `operations.preview` takes it.

    Raises: InvalidJob.
    """
    text, fingerprint = request.POST.get("q", "").strip(), request.POST.get("fingerprint", "")
    if fingerprint:
        return {"fingerprint": fingerprint[:16]}
    if request.POST.get("scope") == "all" and text:
        return {"filter": text}
    try:
        ids = [UUID(job_id) for job_id in request.POST.getlist("ids")]
    except ValueError:
        raise InvalidJob("ids", "are no ids of jobs.") from None
    if not ids:
        raise InvalidJob("ids", "name no job.", "Select rows first.")
    return {"ids": ids}


@require_POST
def act(request: HttpRequest, key: int, verb_name: str) -> HttpResponse:
    """Start, stop or undo an operation and go to its page."""
    acts: dict[str, Callable[[HttpRequest, Operation, str], Operation]] = {
        "start": _start, "stop": _stop, "undo": _undo,
    }  # fmt: skip
    if verb_name not in acts:
        raise Http404
    operation = get_object_or_404(Operation.objects.using(get_settings().database), pk=key)
    reason = request.POST.get("reason", "").strip()[:REASON_LENGTH]
    try:
        operation = acts[verb_name](request, operation, reason)
    except NotPermitted as error:
        raise PermissionDenied(str(error)) from None
    except NotStarted as error:
        messages.warning(request, f"Nothing was done: {error}.")
    snapshot.forget()
    return HttpResponseRedirect(reverse("dashboards:operation", args=[operation.pk]))


def _start(request: HttpRequest, operation: Operation, reason: str) -> Operation:
    if needs_typing(operation) and request.POST.get("typed", "").strip().replace(",", "") != typed_word(operation):
        messages.error(request, f"Nothing was changed: type {typed_word(operation)} to confirm.")
        return operation
    per_second = request.POST.get("per_second", "")
    started = operations.start(
        operation, actor=request.user, reason=reason,
        per_second=int(per_second) if per_second.isdecimal() and 0 < len(per_second) < 6 else None,
    )  # fmt: skip
    return operations.finish_if_small(started)


def _stop(request: HttpRequest, operation: Operation, reason: str) -> Operation:
    return operations.stop(operation, actor=request.user, reason=reason)


def _undo(request: HttpRequest, operation: Operation, reason: str) -> Operation:
    return operations.finish_if_small(operations.undo(operation, actor=request.user, reason=reason))


def needs_typing(operation: Operation) -> bool:
    """Say whether so many jobs would be changed that a click is too little."""
    return operation.is_capped or operation.possible_count > TYPED_ABOVE


def typed_word(operation: Operation) -> str:
    """Return what is to be typed: the number of jobs, or the verb where the number is not known."""
    return operation.verb.replace("_", " ") if operation.is_capped else str(operation.possible_count)


def _page_back(request: HttpRequest) -> str:
    page = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if is_ours else resolve_url("dashboards:jobs")
