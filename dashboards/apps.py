"""The Django app of the pages."""

from django.apps import AppConfig
from django.core import checks


class DashboardsConfig(AppConfig):
    name = "dashboards"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from dashboards.checks import check_guard, check_metrics

        for check in (check_guard, check_metrics):
            checks.register(check, checks.Tags.security, deploy=True)
