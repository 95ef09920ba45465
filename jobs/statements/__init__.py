"""The statements that carry a whole batch, where the two databases differ. One file per database."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from django.db import connections, transaction

from jobs.conf import get_settings
from jobs.statements.base import Ending, JobRow, Statements
from jobs.statements.postgresql import PostgreSQLStatements
from jobs.statements.sqlite import SQLiteStatements

__all__ = ["Ending", "JobRow", "Statements", "be_impatient", "ledger", "ledger_transaction"]

_BY_VENDOR: dict[str, type[Statements]] = {"postgresql": PostgreSQLStatements, "sqlite": SQLiteStatements}
_sqlite_writer = RLock()


def ledger() -> Statements:
    """Return the statements on this thread's connection to the ledger."""
    connection = connections[get_settings().database]
    return _BY_VENDOR[connection.vendor](connection)


@contextmanager
def ledger_transaction() -> Iterator[Statements]:
    """Run the statements of the block in one transaction of the ledger, or in a savepoint of the current one."""
    alias = get_settings().database
    connection = connections[alias]
    # SQLite has one writer, and waiting for it in the busy handler sleeps up to 100 ms; the threads of a process
    # therefore queue up here. Not inside a transaction: that one holds the file's lock already.
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with _sqlite_writer, transaction.atomic(using=alias):
            yield ledger()
    else:
        with transaction.atomic(using=alias):
            yield ledger()


def be_impatient(wait_seconds: float) -> None:
    """Let this thread's connection wait at most this long for SQLite's write lock; for processes that must not hang."""
    connection = connections[get_settings().database]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {int(wait_seconds * 1000)}")
