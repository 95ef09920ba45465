"""Checks of the pages for `manage.py check --deploy`: who is limited, and who may look."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as Caution

from dashboards.metrics.door import is_open_to
from jobs.conf import get_settings

GUARD = "dashboards.guard.GuardMiddleware"


def check_guard(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Warn of a site whose log-ins and changes are not limited, or limited for all visitors together."""
    if GUARD not in settings.MIDDLEWARE:
        return [
            Caution(
                "Nothing limits log-ins and changing requests.",
                hint=f"Add {GUARD!r} to MIDDLEWARE, after AuthenticationMiddleware.",
                id="queuehub.W030",
            )
        ]
    if settings.SECURE_PROXY_SSL_HEADER and not get_settings().trusted_proxies:
        return [
            Caution(
                "Behind a proxy all visitors count as one: whoever fails to log in as somebody locks that one out.",
                hint='Set QUEUEHUB["TRUSTED_PROXIES"] to the number of proxies that add to X-Forwarded-For.',
                id="queuehub.W031",
            )
        ]
    return []


def check_metrics(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Warn of a site whose /metrics anybody may read."""
    if not is_open_to(""):
        return []
    return [
        Caution(
            "Anybody may read /metrics: this site takes itself for one in development.",
            hint='Set QUEUEHUB["METRICS_TOKEN"] or QUEUEHUB["METRICS_NETWORKS"].',
            id="queuehub.W032",
        )
    ]
