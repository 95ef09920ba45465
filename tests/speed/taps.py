"""Taps on a process's connections: every SQL statement and round trip, every request to Redis, leaves a line in a file.

They stand where drivers meet the wire, so nothing passes them unseen, whichever way the engine takes: for PostgreSQL
libpq's own trace, for SQLite its trace callback, for Redis the method by which redis-py sends. What Redis executes is
counted by Redis.
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created
from redis.connection import AbstractConnection

DIRECTORY = "QUEUEHUB_TEST_TAPS"
"""The variable of the environment that tells a process where to leave its lines."""

TRIP = "(round trip)"
_numbers = itertools.count()


def install(directory: Path) -> Callable[[], None]:
    """Tap whatever this process opens from now on; return what takes the taps away from later connections."""
    sent = AbstractConnection.send_packed_command

    def send(connection: AbstractConnection, command: Any, check_health: bool = True) -> None:
        sent(connection, command, check_health)
        _note(directory / f"{os.getpid()}.redis", TRIP)

    def tap(connection: Any, **_: Any) -> None:
        if connection.vendor == "postgresql":
            # never closed: libpq writes to it as long as the connection lives, its answers with the next request
            file = os.open(directory / f"{os.getpid()}-{next(_numbers)}.libpq", os.O_WRONLY | os.O_CREAT)
            connection.connection.pgconn.trace(file)
        else:
            path = directory / f"{os.getpid()}.sqlite"
            connection.connection.set_trace_callback(lambda sql: _note(path, sql.split(maxsplit=1)[0]))

    def remove() -> None:
        AbstractConnection.send_packed_command = sent  # type: ignore[method-assign]
        connection_created.disconnect(tap)

    AbstractConnection.send_packed_command = send  # type: ignore[method-assign]
    connection_created.connect(tap, weak=False)
    return remove


def _note(path: Path, word: str) -> None:
    # one write to a file opened with O_APPEND: threads do not mix their lines
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, f"{word}\n".encode())
    os.close(file)


def sql(directory: Path) -> tuple[Counter[str], int]:
    """Return all statements so far by their first word, and the round trips; SQLite has none of these."""
    statements: Counter[str] = Counter()
    for path in directory.glob("*.sqlite"):
        # the steps of a trigger show up as comments; a PRAGMA sets the connection up and touches no row
        statements.update(word for word in path.read_text().split() if not word.startswith(("--", "PRAGMA")))
    trips = 0
    for path in directory.glob("*.libpq"):
        for kind, rest in _answers(path):
            trips += kind == "ReadyForQuery"
            if kind == "CommandComplete":
                statements[rest.strip(' "').split()[0]] += 1
            elif kind == "ErrorResponse":
                statements["refused"] += 1
    return statements, trips


def redis_trips(directory: Path) -> int:
    """Return how often Redis was spoken to so far; a pipeline is one time."""
    return sum(path.read_text().count(TRIP) for path in directory.glob("*.redis"))


def _answers(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each message of the server: its kind, and what it says."""
    for line in path.read_text(errors="replace").splitlines():
        fields = line.split("\t")
        if len(fields) >= 5 and fields[1] == "B":
            yield fields[3], fields[4]
