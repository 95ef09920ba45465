"""Addresses: the admin, and everything else from `dashboards` (pages, /healthz, /metrics)."""

from django.contrib import admin
from django.urls import include, path

admin.site.site_header = "QueueHub"
admin.site.site_title = "QueueHub admin"
admin.site.index_title = "Jobs and users"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("dashboards.urls")),
]
