"""How many schedules keep their times."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Q
from prometheus_client.core import GaugeMetricFamily, Metric

from jobs.conf import get_settings
from jobs.models import Schedule
from jobs.schedules import MISFIRE_GRACE_SECONDS

GRACE = timedelta(seconds=MISFIRE_GRACE_SECONDS)


def counts(now: datetime) -> dict[str, int]:
    """Count the enabled schedules by how they do, in one statement: each under the first word that fits."""
    is_overdue, is_failing = Q(next_at__lt=now - GRACE), ~Q(last_error="")
    rows = Schedule.objects.using(get_settings().database).filter(is_enabled=True)
    return rows.aggregate(
        overdue=Count("pk", filter=is_overdue),
        failing=Count("pk", filter=is_failing & ~is_overdue),
        on_time=Count("pk", filter=~is_failing & ~is_overdue),
    )


def family(numbers: Mapping[str, int]) -> Metric:
    """Return the gauge."""
    made = GaugeMetricFamily(
        "queuehub_schedules",
        "Enabled schedules: overdue by over 30 seconds, failing at their last time, or on time.",
        labels=["state"],
    )
    for state, number in numbers.items():
        made.add_metric([state], number)
    return made
