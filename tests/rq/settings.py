"""The test settings with one function that plain RQ jobs may call."""

from tests.settings import *  # noqa: F403
from tests.settings import QUEUEHUB

QUEUEHUB = {**QUEUEHUB, "PLAIN_RQ_FUNCTIONS": ["tests.rq.plain_functions.add"]}
