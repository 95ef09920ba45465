"""django-prometheus's metrics of databases and migrations, for the web process alone.

Its database backends would count in every worker as well, whose statements are the engine's costs; and its own look at
the migrations ends a start without a database.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.core.cache import caches
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.migrations.executor import MigrationExecutor
from django_prometheus.db import connections_total, execute_many_total, execute_total, query_duration_seconds
from django_prometheus.db.common import ExceptionCounterByType
from django_prometheus.db.metrics import errors_total
from django_prometheus.migrations import ExportMigrationsForDatabase

logger = logging.getLogger("queuehub.web_metrics")

EVERY_SECONDS = 60.0
"""Time between two looks at the migrations."""


def watch() -> None:
    """Count statements from now on, and look at the migrations again and again in a thread."""
    for name in caches:
        caches[name]  # its metrics are there from the first scrape on
    connection_created.connect(_count_statements, dispatch_uid="queuehub.web_metrics")
    threading.Thread(target=_look_at_migrations, name="migrations", daemon=True).start()


def _count_statements(connection: BaseDatabaseWrapper, **_: Any) -> None:
    connections_total.labels(connection.alias, connection.vendor).inc()
    if _counted not in connection.execute_wrappers:
        connection.execute_wrappers.append(_counted)


def _counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    labels = {"alias": context["connection"].alias, "vendor": context["connection"].vendor}
    execute_total.labels(**labels).inc()
    if many:
        execute_many_total.labels(**labels).inc(len(params))
    with query_duration_seconds.labels(**labels).time(), ExceptionCounterByType(errors_total, extra_labels=labels):
        return execute(sql, params, many, context)


def _look_at_migrations() -> None:
    while True:
        for alias in connections:
            try:
                ExportMigrationsForDatabase(alias, MigrationExecutor(connections[alias]))
            except Exception as error:  # away, or not ours to read; the pages say more about it
                logger.debug("migrations of %s: %s", alias, error)
        connections.close_all()
        time.sleep(EVERY_SECONDS)
