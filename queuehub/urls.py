"""Addresses: the admin, and everything else from `dashboards` (pages, /healthz, /metrics)."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("dashboards.urls")),
]
