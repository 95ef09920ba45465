"""The Django app of the pages."""

from django.apps import AppConfig


class DashboardsConfig(AppConfig):
    name = "dashboards"
