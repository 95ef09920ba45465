"""The database's clock as one process can read it: a moment that it told, carried on by the monotonic clock."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class DatabaseClock:
    """The database's time at one reading of `time.monotonic()`; the host's wall clock plays no part."""

    database_at: datetime
    monotonic_seconds: float

    @classmethod
    def anchored(cls, database_at: datetime) -> "DatabaseClock":
        """Make a clock from the time that the database has just told."""
        return cls(database_at, time.monotonic())

    def at(self, monotonic_seconds: float) -> datetime:
        """Return the database's time at this reading of `time.monotonic()`."""
        return self.database_at + timedelta(seconds=monotonic_seconds - self.monotonic_seconds)
