"""What notifications need of a process that starts: the check of their settings and, if they are used, their tasks."""

from importlib import import_module
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error

from jobs.conf import get_settings
from jobs.definition import registry
from jobs.notifications.options import options, problems_of


def start() -> None:
    """Register the check, and the tasks if anybody is to be told."""
    checks.register(check_notifications, "queuehub")
    if options().tasks:
        registry.register_module(import_module("jobs.notifications.tasks"))


def check_notifications(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Report mistakes in QUEUEHUB["NOTIFICATIONS"], with which nobody would be told."""
    return [
        Error(f"QUEUEHUB['NOTIFICATIONS'] {problem}.", hint="See docs/notifications.md.", id="queuehub.E030")
        for problem in problems_of(get_settings().notifications)
    ]
