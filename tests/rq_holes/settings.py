"""The test settings with the tasks of these tests, one function for plain RQ jobs, and short times."""

from tests.settings import *  # noqa: F403

QUEUEHUB = {
    "TASK_MODULES": ["tests.acceptance.tasks", "tests.rq_holes.tasks"],
    "PLAIN_RQ_FUNCTIONS": ["tests.rq_holes.plain.note"],
    "HARD_TIMEOUT_GRACE_SECONDS": 0.5,
    "HEARTBEAT_SECONDS": 0.5,
    "REPUBLISH_AFTER_SECONDS": 1,
}
