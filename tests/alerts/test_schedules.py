"""The gauge behind the alert on schedules."""

from datetime import timedelta

import pytest

from dashboards import figures
from dashboards.metrics import schedules
from jobs.models import Schedule

pytestmark = pytest.mark.django_db


def test_each_enabled_schedule_is_counted_once() -> None:
    Schedule.objects.all().delete()  # those that the settings declare
    now = figures.present()
    late, soon = now - timedelta(seconds=31), now + timedelta(seconds=1)
    rows = [
        ("overdue", {"next_at": late}),
        ("overdue and failing", {"next_at": late, "last_error": "unknown task"}),
        ("within the grace", {"next_at": now - timedelta(seconds=20)}),
        ("failing", {"next_at": soon, "last_error": "unknown task"}),
        ("new", {"next_at": None}),
        ("new and failing", {"next_at": None, "last_error": "no cron"}),
        ("disabled", {"next_at": late, "last_error": "unknown task", "is_enabled": False}),
    ]
    for name, columns in rows:
        Schedule.objects.create(name=name, task="tests.tasks.add", every_seconds=60, **columns)
    counts = schedules.counts(now)
    assert counts == {"overdue": 2, "failing": 2, "on_time": 2}
    samples = schedules.family(counts).samples
    assert {sample.labels["state"]: sample.value for sample in samples} == counts
