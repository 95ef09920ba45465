"""What a piece of work said to the ledger and to Redis."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from django.db import connection

from jobs.transports import get_transport
from tests.speed import taps

OWN_COMMANDS = ("config|", "info", "client|", "hello", "ping", "flushall")
"""What the tests themselves say to Redis, and what is said to open a connection."""


@dataclass
class Cost:
    """Statements and commands by name, and how often each server was spoken to and had to be waited for."""

    statements: Counter[str] = field(default_factory=Counter)
    sql_trips: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    redis_trips: int = 0

    def read(self, directory: Path, client: redis.Redis) -> "Cost":
        """Take in what the taps have left in `directory`, and what Redis has executed since its last reset."""
        self.statements, self.sql_trips = taps.sql(directory)
        self.redis_trips = taps.redis_trips(directory)
        for name, stats in client.info("commandstats").items():
            command = name.removeprefix("cmdstat_")
            if not command.startswith(OWN_COMMANDS):
                self.commands[command] = int(stats["calls"])
        return self

    def since(self, before: "Cost") -> "Cost":
        """Return what came on top of an earlier reading."""
        return Cost(
            self.statements - before.statements,
            self.sql_trips - before.sql_trips,
            self.commands - before.commands,
            self.redis_trips - before.redis_trips,
        )


@contextmanager
def metered(directory: Path, client: redis.Redis) -> Iterator[Cost]:
    """Count what the block costs in this process and all its threads; connections are open before it begins."""
    get_transport().ping()
    client.config_resetstat()
    connection.close()
    remove = taps.install(directory)
    connection.ensure_connection()
    cost = Cost()
    try:
        yield cost
        connection.close()  # with this the last answers reach the file of the tap
        cost.read(directory, client)
    finally:
        remove()
        connection.close()
