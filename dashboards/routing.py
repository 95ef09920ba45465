"""Addresses of the WebSockets."""

from django.urls import path

from dashboards.consumers import LiveConsumer

LIVE_PATH = "ws/live/"

websocket_urlpatterns = [path(LIVE_PATH, LiveConsumer.as_asgi())]
