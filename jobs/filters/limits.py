"""Statements on the ledger that give up after a time, on PostgreSQL by the server's limit, on SQLite by a look now and
then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connections, transaction

from jobs.conf import get_settings

_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""


class TookTooLong(Exception):
    """The statement was given up."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Give up each statement of the block that takes longer. It reads only: what it wrote would be undone.

    Raises: TookTooLong.
    """
    connection = connections[get_settings().database]
    try:
        with _on_sqlite(connection, seconds) if connection.vendor == "sqlite" else _on_server(connection, seconds):
            yield
    except OperationalError as error:
        cause: Any = error.__cause__
        if getattr(cause, "sqlstate", "") == "57014" or str(cause) == "interrupted":
            raise TookTooLong from None
        raise


@contextmanager
def _on_server(connection: Any, seconds: float) -> Iterator[None]:
    is_nested = connection.in_atomic_block
    milliseconds = max(1, int(seconds * 1000))
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        former = ""
        if is_nested:
            cursor.execute("SELECT current_setting('statement_timeout')")
            former = cursor.fetchone()[0]
        # LOCAL: gone at the end of the transaction, so that a connection pool between us and the server may be used
        cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
        yield
        if is_nested:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [former])


@contextmanager
def _on_sqlite(connection: Any, seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    deadline = time.monotonic() + seconds
    link = connection.connection
    link.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        link.set_progress_handler(None, 0)
