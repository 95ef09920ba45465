"""Settings of the processes under fault: those of production use, with the tasks of these tests.

Nothing is relaxed for speed: databases write through, and every duration is a default.
"""

import os

from queuehub.settings import *  # noqa: F403
from queuehub.settings import DATABASES, RUNTIME_DIR
from tests.faults import clocks

clocks.travel()

NEWER = ["tests.faults.bad_tasks"]
QUEUEHUB = {
    # A process of the release before knows the tasks of the load, and none of the newer ones.
    "TASK_MODULES": ["tests.faults.tasks", *([] if os.environ.get("FAULTS_IS_OLD_RELEASE") else NEWER)],
    "SCHEDULES": {"tick": {"task": "tests.faults.tasks.tick", "every_seconds": 1}},
}
# A database that the application has beside the ledger.
DATABASES["other"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": RUNTIME_DIR / "other.sqlite3"}
