"""The database's clock: the only one by which delays, leases and silence are judged."""

from datetime import UTC, datetime

from django.db import connections

from jobs.conf import get_settings

_SELECTS = {
    "sqlite": "SELECT STRFTIME('%Y-%m-%dT%H:%M:%f+00:00', 'NOW')",
    "postgresql": "SELECT CLOCK_TIMESTAMP()",
}


def database_now() -> datetime:
    """Return the time of the ledger's database, in UTC."""
    connection = connections[get_settings().database]
    with connection.cursor() as cursor:
        cursor.execute(_SELECTS.get(connection.vendor, "SELECT CURRENT_TIMESTAMP"))
        value = cursor.fetchone()[0]
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    aware: datetime = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC)
