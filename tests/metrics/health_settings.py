"""The test settings with a folder for signs of life."""

import os

from tests.settings import *  # noqa: F403

QUEUEHUB = {"HEARTBEAT_DIRECTORY": os.environ["TEST_HEARTBEAT_DIRECTORY"], "HEARTBEAT_SECONDS": 0.2}
