"""Limits on how often somebody may try something, kept in the ledger: one count for all web processes.

Redis is not asked, so that its absence neither lifts a limit nor locks anybody out. A try is counted before it is
made: a hundred at once get no further than a hundred in a row.
"""

import hashlib
import math
from datetime import timedelta

from django.db.models import QuerySet

from dashboards.models import RateWindow
from jobs.conf import get_settings
from jobs.statements import ledger_transaction

SWEPT_AT_ONCE = 2
"""Ended windows that each new one removes, so that their number cannot grow without limit."""


def spend(*who: str, limit: int, seconds: int) -> int:
    """Count one try and return 0, or return in how many seconds the next one is free.

    `who` names what is counted and for whom; `limit` tries are free in a window that begins with the first and lasts
    `seconds`. A limit of 0 counts nothing.
    """
    if not limit:
        return 0
    with ledger_transaction() as ledger:
        now = ledger.present()
        end = now + timedelta(seconds=seconds)
        window, is_new = _rows().select_for_update().get_or_create(key=_key(who), defaults={"ends_at": end})
        if window.ends_at <= now:
            window.count, window.ends_at = 0, end
        if window.count >= limit:
            return max(1, math.ceil((window.ends_at - now).total_seconds()))
        window.count += 1
        window.save(update_fields=["count", "ends_at"])
    if is_new:
        # one by one: two sweeps that lock several rows could wait for each other
        for key in _rows().filter(ends_at__lt=now).values_list("key", flat=True)[:SWEPT_AT_ONCE]:
            _rows().filter(key=key, ends_at__lt=now).delete()
    return 0


def forget(*who: str) -> None:
    """Begin anew for `who`."""
    _rows().filter(key=_key(who)).delete()


def _rows() -> "QuerySet[RateWindow]":
    return RateWindow.objects.using(get_settings().database)


def _key(who: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(who).encode()).hexdigest()
