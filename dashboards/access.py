"""Who may look at the pages."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse

logger = logging.getLogger("dashboards.access")

PERMISSION = "jobs.view_job"

AWAY = (OperationalError, InterfaceError)
"""What Django raises when a database does not answer."""

View = Callable[..., HttpResponseBase]


def may_look(user: Any) -> bool:
    """Say whether the user may see jobs; an anonymous or inactive one never may."""
    return bool(user.has_perm(PERMISSION))


def away(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer 503 with the page that says that the ledger does not answer, and log the error."""
    logger.error("the ledger does not answer", exc_info=error)
    request.user = AnonymousUser()  # the page would ask for the user again, and wait as long again
    return render(request, "dashboards/503.html", status=503)


def page(permission: str) -> Callable[[View], View]:
    """Send anonymous visitors to the admin's login; refuse users without the permission with a 403.

    While the ledger is away, the answer is a page that says so, with a 503.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if not request.user.is_authenticated:
                    if request.headers.get("HX-Request") == "true":  # the login is no part of a page
                        return HttpResponse(status=401)
                    return redirect_to_login(request.get_full_path(), reverse("admin:login"))
                if not request.user.has_perm(permission):
                    raise PermissionDenied
                return view(request, *args, **kwargs)
            except AWAY as error:
                return away(request, error)

        return guarded

    return wrap


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
