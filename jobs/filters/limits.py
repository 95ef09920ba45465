"""Statements on the ledger that give up after a time, on PostgreSQL by the server's limit, on SQLite by a look now and
then."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connections, transaction

from jobs.conf import get_settings

_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""


# Rows that people look at are in memory, and no plan for 50 of them is worth compiling.
_PLANNING = {"random_page_cost": "1.1", "jit": "off"}


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
    wanted = {"statement_timeout": str(max(1, int(seconds * 1000))), **_PLANNING}
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        former = _settings(cursor, wanted) if is_nested else {}
        _set(cursor, wanted)
        yield
        if is_nested:
            _set(cursor, former)


def _settings(cursor: Any, names: Iterable[str]) -> dict[str, str]:
    names = list(names)
    cursor.execute(f"SELECT {', '.join(['current_setting(%s)'] * len(names))}", names)
    return dict(zip(names, cursor.fetchone(), strict=True))


def _set(cursor: Any, values: Mapping[str, str]) -> None:
    # local: gone at the end of the transaction, so that a connection pool between us and the server may be used
    pairs = ", ".join(["set_config(%s, %s, true)"] * len(values))
    cursor.execute(f"SELECT {pairs}", [text for pair in values.items() for text in pair])


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
