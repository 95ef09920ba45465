"""The ASGI application for uvicorn: pages, static files and WebSockets.

`uvicorn queuehub.asgi:application` needs no other server for static files. Its requests run in many short-
lived threads, so that database connections come from a pool (QUEUEHUB_DATABASE_POOL_SIZE) instead of living
per thread.
"""

import logging
import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "queuehub.settings")
os.environ.setdefault("QUEUEHUB_DATABASE_POOL_SIZE", "16")

pages = get_asgi_application()

# Only now: consumers import models, and these need the application above.
from django.conf import settings  # noqa: E402

from dashboards.routing import websocket_urlpatterns  # noqa: E402
from jobs import conf  # noqa: E402
from queuehub import web_metrics  # noqa: E402
from queuehub.bodies import BodyLimit  # noqa: E402


def speak_in_one_form() -> None:
    """Give uvicorn's lines the form of all others, unless it was started with a `--log-config` or without a log."""
    ours = logging.getLogger().handlers
    for name in ("uvicorn", "uvicorn.access"):
        log = logging.getLogger(name)
        is_uvicorns = any(type(handler.formatter).__module__ == "uvicorn.logging" for handler in log.handlers)
        if ours and is_uvicorns:
            log.handlers = list(ours)


speak_in_one_form()
conf.read(getattr(settings, "QUEUEHUB", {}))  # a server runs no system checks: fail loudly here
web_metrics.watch()

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(pages, settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
