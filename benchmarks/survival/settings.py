"""Django settings of the QueueHub that is tried: the project's own, and an app with the task."""

from queuehub.settings import *  # noqa: F403 # made for it
from queuehub.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.survival"]
