"""Django settings of the site whose pages are measured: the project's own, and an app that registers the tasks."""

from queuehub.settings import *  # noqa: F403 # made for it
from queuehub.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.scale"]
