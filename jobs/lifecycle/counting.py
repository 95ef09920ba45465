"""Statistics of moves that no attempt ends: one raw row per queue and task, in the transaction of the move."""

from collections import Counter
from collections.abc import Iterable

from jobs.conf import get_settings
from jobs.models import Statistic
from jobs.statements import ledger


def count(name: str, jobs: Iterable[tuple[str, str]]) -> None:
    """Count one `name` ("state_cancelled", "revived", …) for each (queue, task)."""
    groups = Counter(jobs)
    if not groups:
        return
    minute_at = ledger().present().replace(second=0, microsecond=0)
    Statistic.objects.using(get_settings().database).bulk_create(
        Statistic(minute_at=minute_at, queue=queue, task=task, counts={name: number})
        for (queue, task), number in sorted(groups.items())
    )
