"""The test settings with the tasks of these tests, one function for plain RQ jobs, and no schedule."""

from tests.settings import *  # noqa: F403

QUEUEHUB = {
    "TASK_MODULES": ["tests.acceptance.tasks"],
    "PLAIN_RQ_FUNCTIONS": ["tests.rq.plain_functions.add"],
}
