"""What buttons on the pages do: POST forms only, by the engine's verbs, which check permissions and write the audit."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboards import snapshot
from jobs.admin import verbs
from jobs.admin.verbs import Verb
from jobs.conf import get_settings
from jobs.errors import InvalidJob, NotPermitted
from jobs.models import Schedule

VERBS: dict[str, dict[str, Verb]] = {
    "queue": {"pause": verbs.PAUSE, "resume": verbs.RESUME},
    "schedule": {"run": verbs.RUN_NOW, "pause": verbs.DISABLE, "resume": verbs.ENABLE},
    "worker": {"drain": verbs.DRAIN, "stop": verbs.STOP},
}
"""By the kind of a row and the last part of the address."""

PAGES = {"queue": "dashboards:queues", "schedule": "dashboards:schedules", "worker": "dashboards:workers"}
REASON_LENGTH = 255


def usable(user: Any, kind: str) -> dict[str, bool]:
    """Say which verbs the user may use, so that nobody is shown a button that will refuse."""
    return {name: verb.allows(user) for name, verb in VERBS[kind].items()}


def verb_view(kind: str) -> Callable[..., HttpResponse]:
    """Make the view of all verbs of a kind."""

    @require_POST
    def act(request: HttpRequest, key: Any, verb_name: str) -> HttpResponse:
        verb = VERBS[kind].get(verb_name)
        if verb is None:
            raise Http404
        label = _label(kind, key)
        reason = request.POST.get("reason", "").strip()[:REASON_LENGTH]
        try:
            report = verb.perform([key], actor=request.user, reason=reason)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from None
        except InvalidJob:
            raise Http404 from None
        if report.changed:
            messages.success(request, f"{label}: {verb.done}.")
        else:
            messages.warning(request, f"{label} was left as it is: {', '.join(report.skipped.values())}.")
        snapshot.forget()
        return HttpResponseRedirect(_page_after(request, kind))

    act.__name__ = f"{kind}_verb"
    return act


def _label(kind: str, key: Any) -> str:
    if kind == "schedule":
        name = Schedule.objects.using(get_settings().database).filter(pk=key).values_list("name", flat=True).first()
        if name is None:
            raise Http404
        return f"Schedule {name}"
    return f"{'Pool' if kind == 'worker' else kind.capitalize()} {key}"


def _page_after(request: HttpRequest, kind: str) -> str:
    page = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if is_ours else resolve_url(PAGES[kind])
