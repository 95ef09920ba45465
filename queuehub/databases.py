"""The ledger's database, from DATABASE_URL: PostgreSQL, or one SQLite file."""

import warnings
from contextlib import suppress
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

# WAL lets readers go on while one writes. FULL keeps what was committed even when the power fails; NORMAL
# may lose the last commits then. The rest keeps a backlog's worth of pages and sorting in memory.
SQLITE_INIT_COMMAND = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
PRAGMA journal_size_limit=67108864;
PRAGMA cache_size=-20000;
PRAGMA temp_store=MEMORY;
"""

# A host that dies, or a network that swallows packets, says nothing: TCP alone would wait for a quarter of an hour, and
# for an answer two hours. With these it takes half a minute. A server that only hangs still acknowledges packets.
LOST_SERVER_OPTIONS = {
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
}


def database(url: str, pool_size: int) -> dict[str, Any]:
    """Return the entry of DATABASES for `url`.

    `pool_size` 0 is for workers and commands: each thread keeps its own connection. Otherwise connections are
    shared by at most that many requests at once, as ASGI's short-lived threads need it.

    Raises: ImproperlyConfigured for a URL that names no database; its password is not in the message.
    """
    configuration: dict[str, Any] = {}
    with suppress(ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would show the password
        configuration = environ.Env.db_url_config(url)
    if "." not in configuration.get("ENGINE", ""):  # of an unknown scheme it is the scheme itself
        raise ImproperlyConfigured("DATABASE_URL must be as postgres://user:password@host:5432/name or sqlite:///file")
    options = configuration.setdefault("OPTIONS", {})
    configuration["CONN_HEALTH_CHECKS"] = True
    configuration["CONN_MAX_AGE"] = 0 if pool_size else None
    if configuration["ENGINE"].endswith("sqlite3"):
        options.setdefault("timeout", 20)
        # A transaction that reads first and writes later would otherwise fail at once when another has
        # written.
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("init_command", SQLITE_INIT_COMMAND)
    elif configuration["ENGINE"].endswith("postgresql"):
        configuration["OPTIONS"] = options = {**LOST_SERVER_OPTIONS, **options}
        if pool_size:
            options.setdefault("pool", {"min_size": 1, "max_size": pool_size, "timeout": 10})
    return configuration
