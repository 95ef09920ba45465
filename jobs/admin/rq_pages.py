"""django-rq's own pages: hidden, or shown to superusers with QUEUEHUB["RQ_ADMIN"], as their verbs leave no audit."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django_rq.admin import QueueAdmin
from django_rq.models import Dashboard

from jobs.conf import get_settings


def _for_superusers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


class SuperuserPages(QueueAdmin):
    """The same pages for superusers only."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def get_urls(self) -> list[Any]:
        urls: list[Any] = super().get_urls()  # type: ignore[no-untyped-call] # django-rq has few types
        for url in urls:
            url.callback = _for_superusers(url.callback)
        return urls


if admin.site.is_registered(Dashboard):
    admin.site.unregister(Dashboard)
    if get_settings().rq_admin:
        admin.site.register(Dashboard, SuperuserPages)
