"""Addresses of the pages, of /healthz and of /metrics."""

from django.urls import URLPattern

app_name = "dashboards"
urlpatterns: list[URLPattern] = []
