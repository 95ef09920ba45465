"""Django settings of the QueueHub that is measured: the project's own, and an app with the tasks."""

from queuehub.settings import *  # noqa: F403 # made for it
from queuehub.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks"]
