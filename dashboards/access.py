"""Who may look at the pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse

PERMISSION = "jobs.view_job"

View = Callable[..., HttpResponseBase]


def may_look(user: Any) -> bool:
    """Say whether the user may see jobs; an anonymous or inactive one never may."""
    return bool(user.has_perm(PERMISSION))


def page(view: View) -> View:
    """Send anonymous visitors to the admin's login; refuse users without the permission with a 403."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not may_look(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def data(view: View) -> View:
    """Answer anonymous visitors with 401 and users without the permission with 403, both as JSON."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return JsonResponse({"error": "sign in"}, status=401)
        if not may_look(request.user):
            return JsonResponse({"error": f"needs the permission {PERMISSION}"}, status=403)
        return view(request, *args, **kwargs)

    return guarded
