"""The scheduler's lease: one row that says who leads, by the database's clock.

A leader asks for its lease before it acts; whoever was frozen or cut off finds it gone. The lease only saves
work: what a second leader might do as well is guarded row by row (unique firings, guarded updates).
"""

import os
import time
from datetime import timedelta
from uuid import uuid4

from django.db.models import F, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from jobs.conf import get_settings
from jobs.models import SchedulerLease

LEASE_NAME = "scheduler"


class Lease:
    """One process's claim to lead."""

    def __init__(self, holder: str = "") -> None:
        self.holder = holder or f"{get_settings().node}:{os.getpid()}:{uuid4().hex[:8]}"
        self._asked_at = float("-inf")
        self._renewed_at = float("-inf")
        self.is_held = False

    def hold(self, max_age_seconds: float = 0) -> bool:
        """Take or keep the lease, and tell whether this process leads now.

        An answer that is younger than `max_age_seconds` is not asked for again. While this process leads, the
        row is read each time but written only in every third of its lifetime.
        """
        if time.monotonic() - self._asked_at < max_age_seconds:
            return self.is_held
        self.is_held = False  # should the database not answer, nobody knows
        asked_at = time.monotonic()
        self.is_held = self._keep(asked_at) or self._take(asked_at)
        self._asked_at = asked_at
        return self.is_held

    def _keep(self, asked_at: float) -> bool:
        mine = _rows().filter(name=LEASE_NAME, holder=self.holder, expires_at__gt=Now())
        if asked_at - self._renewed_at < get_settings().scheduler_lease_seconds / 3:
            return mine.exists()
        return self._renewed(asked_at, mine.update(renewed_at=Now(), expires_at=_end()))

    def _take(self, asked_at: float) -> bool:
        free = _rows().filter(name=LEASE_NAME, expires_at__lte=Now())
        if not free.exists():  # a read, so that those who wait write nothing
            if _rows().filter(name=LEASE_NAME).exists():
                return False
            new = SchedulerLease(name=LEASE_NAME, holder="", renewed_at=Now(), expires_at=Now())
            _rows().bulk_create([new], ignore_conflicts=True)
        taken = free.update(holder=self.holder, term=F("term") + 1, renewed_at=Now(), expires_at=_end())
        return self._renewed(asked_at, taken)

    def _renewed(self, asked_at: float, count: int) -> bool:
        if count:
            self._renewed_at = asked_at
        return bool(count)

    def release(self) -> None:
        """Give the lease up, so that another process can lead at once."""
        self.is_held = False
        _rows().filter(name=LEASE_NAME, holder=self.holder).update(expires_at=Now())


def _rows() -> "QuerySet[SchedulerLease]":
    return SchedulerLease.objects.using(get_settings().database)


def _end() -> CombinedExpression:
    return Now() + timedelta(seconds=get_settings().scheduler_lease_seconds)
