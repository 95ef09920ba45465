"""The test settings as an application would have them: without the demo, with tasks and a schedule of its own."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, RQ_QUEUES

INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in ("demo", "tests")]
# django-rq's own commands serve queues that are named here only
RQ_QUEUES = {**RQ_QUEUES, "repair": RQ_QUEUES["default"]}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
QUEUEHUB = {
    "TASK_MODULES": ["tests.security.least.tasks"],
    "PLAIN_RQ_FUNCTIONS": ["tests.rq.plain_functions.add", "tests.rq.plain_functions.fail"],
    "SCHEDULES": {"ticking": {"task": "tests.security.least.tasks.nothing", "every_seconds": 3}},
    "METRICS_TOKEN": "metrics",
    "NOTIFICATIONS": {"emails": ["operator@example.com"]},
    # short, so that repairs and retention happen while a test looks
    "REPUBLISH_AFTER_SECONDS": 1,
    "RETENTION_SUCCEEDED_SECONDS": int(os.environ.get("LEAST_RETENTION_SECONDS", "1")),
    "RETENTION_STATISTICS_SECONDS": 1,
}
