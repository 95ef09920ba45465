"""Who may scrape."""

import secrets

from django.conf import settings

from dashboards.visitors import is_within
from jobs.conf import get_settings


def is_open_to(authorization: str, address: str = "") -> bool:
    """Say whether this Authorization header or this address of a scraper opens /metrics.

    Without QUEUEHUB["METRICS_TOKEN"] and QUEUEHUB["METRICS_NETWORKS"], development is open to everybody and
    production to nobody.
    """
    token, networks = get_settings().metrics_token, get_settings().metrics_networks
    if not token and not networks:
        return not getattr(settings, "IS_PRODUCTION", not settings.DEBUG)
    if is_within(address, networks):
        return True
    return bool(token) and secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode())
