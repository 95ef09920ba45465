"""The test settings with hostile tasks, the project's own log lines, and django-rq's pages for superusers."""

from queuehub import settings as project
from tests.settings import *  # noqa: F403

LOGGING = project.LOGGING
QUEUEHUB = {
    "TASK_MODULES": ["tests.security.tasks"],
    "PLAIN_RQ_FUNCTIONS": ["tests.rq.plain_functions.add"],
    "RQ_ADMIN": True,
    "UNKNOWN_TASK_SECONDS": 0,  # no patience with releases to come
}
