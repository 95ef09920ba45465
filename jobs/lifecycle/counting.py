"""Statistics of moves that no attempt ends: one raw row per queue and task, in the transaction of the move."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from jobs.conf import get_settings
from jobs.models import Statistic
from jobs.statements import ledger, ledger_statement


def count(name: str, jobs: Iterable[tuple[str, str]]) -> None:
    """Count one `name` ("state_cancelled", "revived", …) for each (queue, task)."""
    count_each((name, queue, task) for queue, task in jobs)


def count_each(named: Iterable[tuple[str, str, str]]) -> None:
    """Count one for each (name, queue, task); what belongs to no queue has empty ones."""
    groups: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for name, queue, task in named:
        groups[queue, task][name] += 1
    if not groups:
        return
    minute_at = ledger().present().replace(second=0, microsecond=0)
    Statistic.objects.using(get_settings().database).bulk_create(
        Statistic(minute_at=minute_at, queue=queue, task=task, counts=dict(counts))
        for (queue, task), counts in sorted(groups.items())
    )


def count_messages(counts: Mapping[str, int]) -> None:
    """Count messages of the transport that led to no job: "messages_damaged", "messages_void". Zeros cost nothing.

    Damaged ones are no ids of ours, or jobs that may not run; void ones name a job that is not to be had: unknown,
    finished, cancelled, or run already because the message came twice.
    """
    counted = {name: number for name, number in counts.items() if number > 0}
    if not counted:
        return
    with ledger_statement() as statements:
        minute_at = statements.present().replace(second=0, microsecond=0)
        Statistic.objects.using(get_settings().database).create(
            minute_at=minute_at, queue="", task="", counts=counted
        )
