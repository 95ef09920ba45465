"""Settings of the site that is pictured: the tests' own, with the sample's tasks and without the demo's schedule."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, QUEUEHUB

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.scale"]
QUEUEHUB = {**QUEUEHUB, "ENVIRONMENT_NAME": "PROD", "SCHEDULES": {}}
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"jobs.job": {"level": "CRITICAL"}}}
