"""The Django app of the pages."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

GUARD = "dashboards.guard.GuardMiddleware"


class DashboardsConfig(AppConfig):
    name = "dashboards"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        checks.register(check_guard, checks.Tags.security, deploy=True)


def check_guard(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """Warn of a site whose log-ins and changes are not limited."""
    if GUARD in settings.MIDDLEWARE:
        return []
    return [
        checks.Warning(
            "Nothing limits log-ins and changing requests.",
            hint=f"Add {GUARD!r} to MIDDLEWARE, after AuthenticationMiddleware.",
            id="queuehub.W030",
        )
    ]
