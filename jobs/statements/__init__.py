"""The statements that carry a whole batch, where the two databases differ. One file per database."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs.conf import get_settings
from jobs.statements.base import ClaimedRow, Columns, Place, Statements
from jobs.statements.postgresql import PostgreSQLStatements
from jobs.statements.sqlite import SQLiteStatements

__all__ = [
    "LOCK_SECONDS",
    "ClaimedRow",
    "Columns",
    "Place",
    "Statements",
    "be_impatient",
    "ledger",
    "ledger_snapshot",
    "ledger_statement",
    "ledger_transaction",
]

_BY_VENDOR: dict[str, type[Statements]] = {"postgresql": PostgreSQLStatements, "sqlite": SQLiteStatements}
_sqlite_writer = RLock()

IDLE_SECONDS = 10
"""How long a process may say nothing inside a transaction before PostgreSQL ends it, with its locks.

A worker that is frozen, or whose host vanished, in the middle of a settlement would keep its rows from rescue.
"""
LOCK_SECONDS = 1
"""How long housekeeping waits for a lock."""

# LOCAL: gone at the end of the transaction, so that a connection pool between us and the server may be used
_BOUNDS = (
    "SET LOCAL idle_in_transaction_session_timeout = '{idle}s'; SET LOCAL lock_timeout = '{lock}s'"
)


def ledger() -> Statements:
    """Return the statements on this thread's connection to the ledger."""
    connection = connections[get_settings().database]
    return _BY_VENDOR[connection.vendor](connection)


@contextmanager
def ledger_transaction(lock_seconds: int = 0) -> Iterator[Statements]:
    """Run the statements of the block in one transaction of the ledger, or in a savepoint of the current one.

    `lock_seconds` bounds the wait for each lock; 0 leaves it to the server. Housekeeping must not wait long for
    others.

    Raises: django.db.OperationalError if a lock is not to be had.
    """
    connection = connections[get_settings().database]
    is_outermost = not connection.in_atomic_block
    with _writing(connection), transaction.atomic(using=connection.alias):
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(_BOUNDS.format(idle=IDLE_SECONDS, lock=lock_seconds))
        yield ledger()


@contextmanager
def ledger_statement() -> Iterator[Statements]:
    """Run one statement, atomic by itself: it costs one round trip, and no frozen process can hold its locks."""
    connection = connections[get_settings().database]
    with _writing(connection):
        yield ledger()


@contextmanager
def ledger_snapshot() -> Iterator[Statements]:
    """Let the statements of the block read the ledger as of one moment; it may not write.

    Inside a transaction of the caller, that one's isolation holds.
    """
    connection = connections[get_settings().database]
    if connection.in_atomic_block:
        yield ledger()
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # a transaction of Django's would be IMMEDIATE and wait for the writers
            cursor.execute("BEGIN DEFERRED")
            try:
                yield ledger()
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic(using=connection.alias):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield ledger()


@contextmanager
def _writing(connection: BaseDatabaseWrapper) -> Iterator[None]:
    # SQLite has one writer, and waiting for it in the busy handler sleeps up to 100 ms; the threads of a process
    # therefore queue up here. Not inside a transaction: that one holds the file's lock already.
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with _sqlite_writer:
            yield
    else:
        yield


def be_impatient(wait_seconds: float) -> None:
    """Let this thread's connection wait at most this long for SQLite's write lock; for processes that must not hang."""
    connection = connections[get_settings().database]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {int(wait_seconds * 1000)}")
