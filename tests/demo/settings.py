"""The settings of a demo without what else is installed, which is much for tests; and with a short grace at its end."""

from demo import library
from queuehub.settings import *  # noqa: F403
from queuehub.settings import QUEUEHUB as OWN

library.ROOTS["site"] /= "rq"
QUEUEHUB = {**OWN, "SHUTDOWN_GRACE_SECONDS": 1}
