"""The test settings for processes that wait no longer than they must: short times in place of the defaults."""

from tests.settings import *  # noqa: F403
from tests.settings import QUEUEHUB as OWN

QUEUEHUB = {
    **OWN,
    "HEARTBEAT_SECONDS": 1,
    "LOST_AFTER_SECONDS": 8,
    "SCHEDULER_LEASE_SECONDS": 4,
    "SHUTDOWN_GRACE_SECONDS": 2,
    "HARD_TIMEOUT_GRACE_SECONDS": 1,
    "REPUBLISH_AFTER_SECONDS": 2,
}
