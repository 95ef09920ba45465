"""The transport's Redis, from REDIS_URL: one server (plain, TLS or a unix socket), or Sentinel."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SENTINEL = "redis+sentinel"
SENTINEL_FORM = f"{SENTINEL}://[user:password@]host:port[,host:port]/service[/database]"
SCHEMES = ("redis://", "rediss://", "unix://", f"{SENTINEL}://")


def rq_queue(url: str) -> dict[str, Any]:
    """Return the entry of RQ_QUEUES for `url`, with RQ's JSON serializer.

    Raises: ImproperlyConfigured for another scheme, and a Sentinel URL that is not of the form SENTINEL_FORM.
    """
    if not url.startswith(SCHEMES):
        raise ImproperlyConfigured(f"REDIS_URL must begin with one of {', '.join(SCHEMES)}")
    connection = _sentinel(url) if url.startswith(f"{SENTINEL}://") else {"URL": url}
    return {**connection, "SERIALIZER": "rq.serializers.JSONSerializer"}


def _sentinel(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    try:
        sentinels = [(host, int(port)) for host, port in (pair.rsplit(":", 1) for pair in hosts.split(","))]
        number = int(database or 0)
    except ValueError:
        raise ImproperlyConfigured(f"REDIS_URL must be of the form {SENTINEL_FORM}") from None
    if not service:
        raise ImproperlyConfigured(f"REDIS_URL names no service; it must be of the form {SENTINEL_FORM}")
    return {
        "SENTINELS": sentinels,
        "MASTER_NAME": service,
        "DB": number,
        "USERNAME": unquote(user) or None,
        "PASSWORD": unquote(password) or None,
    }
