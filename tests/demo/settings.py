"""The settings of a demo whose work is done soon: two small packages and the broken files; and a short grace."""

from demo import library
from queuehub.settings import *  # noqa: F403
from queuehub.settings import QUEUEHUB as OWN

library.ROOTS["site"] /= "rq"
library.ROOTS["stdlib"] /= "email"
QUEUEHUB = {**OWN, "SHUTDOWN_GRACE_SECONDS": 1}
