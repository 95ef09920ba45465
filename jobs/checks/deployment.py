"""Checks for `manage.py check --deploy`: what works on one machine and harms a site in production."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as Caution
from django.db import connections
from django.utils.module_loading import import_string

from jobs import failpoints
from jobs.conf import Settings
from jobs.transports.memory import MemoryTransport


def check_failpoints(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Warn of failpoints that are armed: they are for tests, and make this process fail."""
    if not failpoints.armed:
        return []
    names = ", ".join(point.name for point in failpoints.armed)
    return [Caution(f"Failpoints are armed: {names}.", hint=f"Unset {failpoints.VARIABLE}.", id="queuehub.W009")]


def check_connections(settings: Settings) -> Iterator[CheckMessage]:
    """Warn of a server that is connected to anew for each request and for each job."""
    if settings.database not in connections:
        return  # check_database reports it
    connection = connections[settings.database]
    options = connection.settings_dict
    if connection.vendor == "postgresql" and options["CONN_MAX_AGE"] == 0 and not options["OPTIONS"].get("pool"):
        alias = f'DATABASES["{settings.database}"]'
        yield Caution(
            "Each request, and each job whose task uses the ledger's database, connects to it anew.",
            hint=f'Workers and schedulers keep theirs by {alias}["CONN_MAX_AGE"] = None, web servers share some by'
            f' {alias}["OPTIONS"]["pool"]: docs/deploy.md.',
            id="queuehub.W010",
        )


def check_reach(settings: Settings) -> Iterator[CheckMessage]:
    """Warn of a transport that carries nothing from one process to another."""
    try:
        made = import_string(settings.transport)
    except ImportError:
        return  # check_transport reports it
    if isinstance(made, type) and issubclass(made, MemoryTransport):
        yield Caution(
            "The transport in memory reaches no other process: workers find jobs by asking the ledger only.",
            hint="Leave TRANSPORT out of QUEUEHUB, or name one with a server.",
            id="queuehub.W011",
        )
