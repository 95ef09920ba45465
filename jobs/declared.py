"""The schedules that QUEUEHUB["SCHEDULES"] declares, kept in step with their rows.

`Schedule.declared` is what the setting said when it was last read. A row that differs from it was edited by
an operator: the edit wins over the setting and is marked.
"""

import logging
from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

from jobs.conf import get_settings
from jobs.errors import InvalidJob
from jobs.models import Schedule
from jobs.schedules import check_schedule
from jobs.statements import LOCK_SECONDS, ledger_transaction

logger = logging.getLogger("jobs.schedules")

DEFAULTS: dict[str, Any] = {
    "task": "",
    "args": [],
    "kwargs": {},
    "queue": "",
    "priority": None,
    "cron": "",
    "every_seconds": None,
    "timezone": "UTC",
    "misfire": "skip",
    "is_enabled": True,
}


def read_declared(name: str, declaration: Any) -> dict[str, Any]:
    """Return the columns of one declared schedule.

    Raises: InvalidJob and its subclasses, naming the key and the remedy.
    """
    if not isinstance(declaration, Mapping):
        raise InvalidJob(name, f"{declaration!r:.128} is not a dict.", 'Pass {"task": …, "cron": …}.')
    unknown = sorted(str(key) for key in declaration.keys() - DEFAULTS.keys())
    if unknown:
        raise InvalidJob(", ".join(unknown), "no such option.", f"A schedule takes {', '.join(DEFAULTS)}.")
    columns = {**DEFAULTS, **declaration}
    if isinstance(columns["args"], tuple):
        columns["args"] = list(columns["args"])
    if not isinstance(columns["is_enabled"], bool):
        raise InvalidJob("is_enabled", f"{columns['is_enabled']!r:.64} is not a bool.", "Pass True or False.")
    check_schedule(Schedule(name=name, **columns))
    return columns


def sync_declared() -> None:
    """Create, update and disable rows as QUEUEHUB["SCHEDULES"] says; operators' edits stay.

    A declaration that is not valid is logged and changes nothing.
    """
    settings = get_settings()
    wanted = {}
    for name, declaration in settings.schedules.items():
        try:
            wanted[name] = read_declared(name, declaration)
        except InvalidJob as error:
            logger.error("QUEUEHUB['SCHEDULES'][%r] is left out: %s", name, error)
    with ledger_transaction(LOCK_SECONDS):
        rows = Schedule.objects.using(settings.database)
        new = [Schedule(name=name, declared=columns, **columns) for name, columns in sorted(wanted.items())]
        rows.bulk_create(new, ignore_conflicts=True)
        for row in rows.select_for_update().order_by("name"):
            if row.name in wanted:
                _update(row, wanted[row.name])
            elif row.declared is not None and row.name not in settings.schedules:
                _retire(row)


def _columns(row: Schedule) -> dict[str, Any]:
    return {column: getattr(row, column) for column in DEFAULTS}


def _update(row: Schedule, wanted: dict[str, Any]) -> None:
    before = (_columns(row), row.declared, row.is_edited)
    if row.is_edited or _columns(row) != row.declared:
        row.is_edited = _columns(row) != wanted
    else:
        for column, value in wanted.items():
            setattr(row, column, value)
    row.declared = wanted
    if (_columns(row), row.declared, row.is_edited) != before:
        row.save()


def _retire(row: Schedule) -> None:
    """The setting dropped it: disable it, or leave it to the operator who made it his own."""
    if row.is_edited or _columns(row) != row.declared:
        row.declared, row.is_edited = None, False
    elif row.is_enabled:
        row.is_enabled = False
        row.declared = _columns(row)
    else:
        return
    row.save()


def _after_migrate(*, using: str, **_: Any) -> None:
    # the table is away when this app was migrated back to nothing
    has_table = Schedule._meta.db_table in connections[using].introspection.table_names()
    if using == get_settings().database and has_table:
        sync_declared()


def listen(config: AppConfig) -> None:
    """Keep the rows in step after each migrate of this app."""
    post_migrate.connect(_after_migrate, sender=config, dispatch_uid="jobs.declared")
