"""Django's system checks; each message names the key and the remedy.

`manage.py check` reads settings only (`configuration.py`). `--deploy` adds what would harm a site in production
(`deployment.py`), and with `--database default` asks the servers (`servers.py`).
"""

from django.core import checks

from jobs import checks_rq
from jobs.checks.configuration import (
    check_database,
    check_plain_rq,
    check_schedules,
    check_settings,
    check_tasks,
    check_transport,
    if_readable,
)
from jobs.checks.deployment import check_connections, check_failpoints, check_reach
from jobs.checks.servers import check_servers

__all__ = [
    "check_failpoints",
    "check_schedules",
    "check_servers",
    "check_settings",
    "check_tasks",
    "register",
]


def register() -> None:
    """Register all checks with Django."""
    checks.register(check_settings, "queuehub")
    for check in (check_database, check_transport, check_tasks, check_plain_rq, check_schedules):
        checks.register(if_readable(check), "queuehub")
    checks.register(check_failpoints, "queuehub", deploy=True)
    for check in (check_connections, check_reach):
        checks.register(if_readable(check), "queuehub", deploy=True)
    checks.register(check_servers, checks.Tags.database, deploy=True)
    checks_rq.register()
