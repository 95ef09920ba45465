"""Who acts, whether they may, and what the audit log keeps of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jobs.conf import get_settings
from jobs.errors import NotPermitted
from jobs.lifecycle.counting import count_each
from jobs.models import AuditEntry
from jobs.statements import ledger_transaction

Actor = Any  # a user of django.contrib.auth (or like one), OnBehalf, or a text that names a command or the system


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """A bulk operation that goes on for whoever started it; that they may was checked then."""

    name: str
    operation_id: int


def permit(actor: Actor, permission: str, action: str, target: str = "") -> None:
    """Check that the actor may do this; a refusal is written to the audit log.

    Raises: NotPermitted.
    """
    if isinstance(actor, str | OnBehalf) or actor.has_perm(permission):
        return
    note_refusal(actor, action, target)
    raise NotPermitted(f"{actor_name(actor)} lacks the permission {permission}")


def note_refusal(actor: Actor, action: str, target: str = "") -> None:
    """Append to the audit log that the actor was not let."""
    append([AuditEntry(actor=actor_name(actor)[:150], action=action, target=target[:160], result="refused")])


def actor_name(actor: Actor) -> str:
    """Return the name under which the actor stands in the audit log."""
    if isinstance(actor, str | OnBehalf):
        return actor if isinstance(actor, str) else actor.name
    return str(actor.get_username()) or "anonymous"


def audit(actor: Actor, action: str, target: str, reason: str, before: Any = None, after: Any = None) -> None:
    """Append one row to the audit log."""
    append([entry(actor, action, target, reason, before, after)])


def entry(
    actor: Actor, action: str, target: str, reason: str, before: Any = None, after: Any = None
) -> AuditEntry:
    """Return a row for the audit log that is not written yet."""
    return AuditEntry(
        actor=actor_name(actor)[:150],
        action=action,
        target=target[:160],
        reason=reason[:255],
        before=before,
        after=after,
        operation_id=actor.operation_id if isinstance(actor, OnBehalf) else None,
    )


def append(entries: list[AuditEntry]) -> None:
    """Append rows to the audit log, and count them."""
    with ledger_transaction():
        write(entries)
        count_each(counts_of(entries))


def write(entries: list[AuditEntry]) -> None:
    """Append rows to the audit log, for a caller who counts them with what else it counts."""
    AuditEntry.objects.using(get_settings().database).bulk_create(entries)


def counts_of(entries: Iterable[AuditEntry]) -> Iterator[tuple[str, str, str]]:
    """Yield what `count_each` takes: they belong to no queue, for /metrics tells how often who acts, not on what."""
    for each in entries:
        yield f"action:{each.action}:{each.result}", "", ""
