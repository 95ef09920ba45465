"""Checks of the servers, for `manage.py check --deploy --database default`.

A server that is away is a warning: a deployment may be checked before its servers run.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connections

from jobs.conf import Settings, get_settings, problems_of
from jobs.errors import TransportUnavailable
from jobs.models import Worker
from jobs.notifications.options import options
from jobs.statements import ledger
from jobs.transports import get_transport

MINIMUM_POSTGRESQL, MINIMUM_SQLITE = 14_00_00, (3, 35)
NODES_NAMED = 3
MOST_WORKERS = 1000


def check_servers(
    app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Ask the ledger and the transport whether they are there."""
    try:
        settings = get_settings()
    except (ImproperlyConfigured, TypeError):
        return []
    if settings.database not in (databases or ()) or problems_of(settings):
        return []
    return [*_ledger_messages(settings), *_transport_messages()]


def _ledger_messages(settings: Settings) -> Iterator[CheckMessage]:
    connection: Any = connections[settings.database]
    try:
        ledger().present()
        if connection.vendor == "postgresql" and connection.pg_version < MINIMUM_POSTGRESQL:
            yield Error("The ledger needs PostgreSQL 14 or later.", id="queuehub.E009")
        if connection.vendor == "sqlite" and connection.Database.sqlite_version_info < MINIMUM_SQLITE:
            yield Error("The ledger needs SQLite 3.35 or later.", id="queuehub.E009")
        yield from _durability(connection)
        yield from _nodes_on_sqlite(connection)
        yield from _notifications_unserved()
    except DatabaseError as error:
        yield Caution(f"The ledger does not answer: {error}", hint="Start the database.", id="queuehub.W007")


def _durability(connection: Any) -> Iterator[CheckMessage]:
    settings = ("fsync", "synchronous_commit") if connection.vendor == "postgresql" else ()
    with connection.cursor() as cursor:
        for name in settings:
            cursor.execute("SELECT current_setting(%s)", [name])
            if cursor.fetchone()[0] == "off":
                yield Caution(
                    f"PostgreSQL's {name} is off: a crash may take back jobs that were acknowledged.",
                    hint=f"Set {name} = on for the ledger's database.",
                    id="queuehub.W012",
                )


def _nodes_on_sqlite(connection: Any) -> Iterator[CheckMessage]:
    if connection.vendor != "sqlite":
        return
    living = Worker.objects.using(connection.alias).living()
    nodes = list(living.order_by("node").values_list("node", flat=True).distinct()[:NODES_NAMED])
    if len(nodes) > 1:
        yield Caution(
            f"Workers on several nodes ({', '.join(nodes)}) share a ledger in SQLite, whose locks do not hold between"
            " hosts: the file can be damaged.",
            hint="Move the ledger to PostgreSQL, or run all processes on one host.",
            id="queuehub.W013",
        )


def _notifications_unserved() -> Iterator[CheckMessage]:
    """Warn if workers run and none of them would send notices; before any runs, nothing can be known."""
    chosen = options()
    if not chosen.tasks:
        return
    workers = Worker.objects.using(get_settings().database).living()
    served = list(workers.values_list("queues", flat=True)[:MOST_WORKERS])
    if served and all(queues and chosen.queue not in queues for queues in served):
        yield Caution(
            f"No worker serves the queue {chosen.queue!r}, so that no notification is sent.",
            hint="Start a worker for it, or one without names of queues: docs/notifications.md.",
            id="queuehub.W014",
        )


def _transport_messages() -> Iterator[CheckMessage]:
    try:
        get_transport().ping()
    except (TransportUnavailable, ImportError) as error:
        yield Caution(
            f"The transport does not answer: {error}",
            hint="Set REDIS_URL to a server that runs. Jobs wait in the ledger until then.",
            id="queuehub.W008",
        )
