"""Addresses of the WebSockets."""

from django.urls import path

from dashboards.consumers import LiveConsumer

websocket_urlpatterns = [path("live", LiveConsumer.as_asgi())]
