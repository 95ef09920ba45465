"""Transactions of the housekeeping: they neither wait long for others nor make others wait long.

A process that is frozen, or whose host vanished, in the middle of a transaction keeps its row locks. Whoever leads
next must not wait for those, and must not leave such locks behind himself.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from jobs.statements import Statements, ledger_transaction

LOCK_SECONDS = 1
IDLE_SECONDS = 10

# LOCAL: gone at the end of the transaction, so that a connection pool between us and the server may be used
_BOUNDS = (
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
)


@contextmanager
def bounded_transaction() -> Iterator[Statements]:
    """Run the block in one transaction of the ledger that waits at most LOCK_SECONDS for a lock.

    PostgreSQL itself ends it, with its locks, when this process says nothing for IDLE_SECONDS. SQLite has its own
    limit for waiting, and one machine.

    Raises: django.db.OperationalError if a lock is not to be had.
    """
    with ledger_transaction() as statements:
        if statements.connection.vendor == "postgresql":
            with statements.connection.cursor() as cursor:
                cursor.execute(_BOUNDS)
        yield statements
