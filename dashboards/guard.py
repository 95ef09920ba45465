"""The middleware before everything that changes something: who is anonymous, or too fast, gets no further.

While the database is away, it answers with the page that says so, whatever was asked for. It looks at requests to the
admin and to these pages; other views of a project are not its business. Put it after `AuthenticationMiddleware`.
"""

import logging
import unicodedata
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import BadRequest
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from dashboards import access, limits, visitors
from jobs.conf import get_settings

logger = logging.getLogger("dashboards.guard")

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
GUARDED_APPS = {"admin", "dashboards"}
OPEN_TO_ANONYMOUS = {"admin:logout", "admin:jsi18n"}
LOGIN, POST = "login", "post"
LONGEST_NAME = 254


class GuardMiddleware(MiddlewareMixin):
    """Answers 401 to anonymous changing requests, 429 to too many of them and to too many log-ins, 400 to NUL."""

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not _is_guarded(request):
            return None
        if _has_nul(request):
            raise BadRequest("a NUL character")
        if request.method in SAFE_METHODS or request.resolver_match.view_name in OPEN_TO_ANONYMOUS:
            return None
        try:
            return _log_in(request) if _is_login(request) else _change(request)
        except access.AWAY as error:
            return access.away(request, error)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        is_away = isinstance(exception, access.AWAY) and _is_guarded(request)
        return access.away(request, exception) if is_away else None


def _is_guarded(request: HttpRequest) -> bool:
    match = request.resolver_match
    return _is_login(request) or not (match is None or GUARDED_APPS.isdisjoint(match.app_names))


def _is_login(request: HttpRequest) -> bool:
    return request.path in (reverse("admin:login"), resolve_url(settings.LOGIN_URL))


def _change(request: HttpRequest) -> HttpResponse | None:
    if not request.user.is_authenticated:
        return render(request, "dashboards/401.html", status=401)
    limit = get_settings().posts_per_minute
    wait_seconds = limits.spend(POST, str(request.user.pk), limit=limit, seconds=60)
    return _too_many(request, wait_seconds, "changes") if wait_seconds else None


def _has_nul(request: HttpRequest) -> bool:
    # no honest address or form has one, and PostgreSQL's texts cannot hold it
    forms = [request.GET, request.POST] if request.method == "POST" else [request.GET]
    values = (value for form in forms for values in form.lists() for value in (values[0], *values[1]))
    return "\0" in request.path or any("\0" in value for value in values)


def _log_in(request: HttpRequest) -> HttpResponse | None:
    # as Django reads it, and no matter how it is written
    name = unicodedata.normalize("NFKC", request.POST.get("username", "").strip()[:LONGEST_NAME]).casefold()
    who = (LOGIN, name, visitors.source_of(request))
    options = get_settings()
    wait_seconds = limits.spend(*who, limit=options.login_attempts, seconds=options.login_window_seconds)
    if wait_seconds:
        return _too_many(request, wait_seconds, "log-ins")
    request.queuehub_login = who
    return None


def _too_many(request: HttpRequest, wait_seconds: int, what: str) -> HttpResponse:
    logger.warning("too many %s: %s from %s", what, _said(request), visitors.address_of(request) or "unknown")
    minutes = -(-wait_seconds // 60)
    context = {"what": what, "wait": f"{wait_seconds} seconds" if wait_seconds < 100 else f"{minutes} minutes"}
    answer = render(request, "dashboards/429.html", context, status=429)
    answer.headers["Retry-After"] = str(wait_seconds)
    return answer


def _said(request: HttpRequest) -> str:
    # a name that somebody typed may hold anything, line breaks included
    return repr(request.POST.get("username", request.user.get_username())[:LONGEST_NAME])


@receiver(user_logged_in, dispatch_uid="dashboards.guard")
def forget_failures(request: HttpRequest | None, **_: Any) -> None:
    """Begin anew after a log-in: only failures in a row count."""
    who = getattr(request, "queuehub_login", None)
    if who is not None:
        limits.forget(*who)
