"""The test settings with the tasks of these tests, and the project's own logs as LOG_FORMAT and the like ask for."""

from queuehub.settings import LOGGING as LOGS
from tests.settings import *  # noqa: F403

LOGGING = LOGS
QUEUEHUB = {"TASK_MODULES": ["tests.observability.tasks"]}
