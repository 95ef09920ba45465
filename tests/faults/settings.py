"""Settings of the processes under fault: those of production use, with the tasks of these tests.

Nothing is relaxed for speed: databases write through, and every duration is a default.
"""

from queuehub.settings import *  # noqa: F403

QUEUEHUB = {"TASK_MODULES": ["tests.faults.tasks", "tests.faults.bad_tasks"]}
