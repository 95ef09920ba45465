"""Operations are previewed, started, stopped and undone: what a person asks for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from jobs import events
from jobs.conf import get_settings
from jobs.errors import InvalidJob, QueueHubError
from jobs.filters import Search, parse, pinned
from jobs.filters.search import NEWEST
from jobs.lifecycle import operate
from jobs.models import Operation
from jobs.models.operation import OperationState
from jobs.operations import selection
from jobs.operations.verbs import BULK_VERBS
from jobs.statements import ledger_transaction

MOST_COUNTED = 10_000
"""Jobs that a preview looks at; of more it says "10,000 or more"."""

MOST_IDS = 10_000


class NotStarted(QueueHubError):
    """An operation is not in the state in which it could be started, stopped or undone."""


def preview(
    verb: str,
    *,
    actor: operate.Actor,
    filter: str = "",  # noqa: A002 - the word of the user interface
    ids: Iterable[UUID | str] | None = None,
    fingerprint: str = "",
    options: Mapping[str, Any] | None = None,
    reason: str = "",
    per_second: int | None = None,
) -> Operation:
    """Count what the verb would change and what it would skip, and why; nothing is changed.

    Exactly one of `filter`, `ids` (at most 10,000) and `fingerprint` says on which jobs. `options` are JSON.

    Raises: NotPermitted; InvalidJob for a verb, option or selection that cannot be; FilterError for a filter.
    """
    if verb not in BULK_VERBS:
        raise InvalidJob("verb", f"there is no verb {verb}.", f"Use one of {', '.join(BULK_VERBS)}.")
    operate.permit(actor, BULK_VERBS[verb].permission, verb, target="operation")
    BULK_VERBS[verb].read(options or {})
    if per_second is not None and not 1 <= per_second <= 100_000:
        raise InvalidJob("per_second", f"{per_second} is out of range.", "Pass a whole number from 1 to 100,000.")
    known = None if ids is None else [str(UUID(str(job_id))) for job_id in dict.fromkeys(ids)]
    if (known is not None) + bool(filter) + bool(fingerprint) != 1:
        raise InvalidJob("filter, ids, fingerprint", "do not say which jobs.", "Pass exactly one of them.")
    if known is not None and len(known) > MOST_IDS:
        raise InvalidJob("ids", f"{len(known)} are too many.", f"Pass at most {MOST_IDS}, or a filter.")
    if filter:
        Search(parse(filter), actor=actor)  # who may not see arguments shall not find out by counting
        filter = pinned(filter)  # noqa: A001
    made = Operation(
        verb=verb, filter=filter, ids=known, fingerprint=fingerprint, options=dict(options or {}),
        reason=reason[:255], per_second=per_second, actor=operate.actor_name(actor)[:150],
    )  # fmt: skip
    return _counted(made)


def _counted(operation: Operation) -> Operation:
    verb = BULK_VERBS[operation.verb]
    jobs, is_partial = selection.rows_of(operation, MOST_COUNTED + 1)
    operation.is_capped = is_partial or len(jobs) > MOST_COUNTED
    refusals = Counter(verb.refuse(job) for job in jobs[:MOST_COUNTED])
    operation.possible_count = refusals.pop("", 0)
    operation.expected_count = min(len(jobs), MOST_COUNTED)
    if operation.ids is not None and (gone := len(operation.ids) - len(jobs)):
        refusals["there is no such job"] = gone
        operation.expected_count = len(operation.ids)
    operation.refusals = dict(refusals.most_common())
    operation.save(using=get_settings().database)
    return operation


def counting_note(operation: Operation) -> str:
    """Say what the preview has not counted, as a sentence for people; empty if it has counted all."""
    if not operation.is_capped:
        return ""
    if operation.expected_count < MOST_COUNTED:
        return (
            f"No index serves this filter: only the newest {NEWEST:,} jobs that match the rest were looked at, for a"
            " second at most. The operation tries all that match."
        )
    return f"More than {MOST_COUNTED:,} jobs match; they were not counted further. All of them are tried."


def start(
    operation: Operation, *, actor: operate.Actor, reason: str = "", per_second: int | None = None
) -> Operation:
    """Let a previewed operation run in the background; `reason` and `per_second` replace those of the preview.

    It goes on for this actor even if the permission is taken away meanwhile; stop it then.

    Raises: NotPermitted; NotStarted if it was started or stopped before.
    """
    _permit(actor, operation)
    with ledger_transaction():
        locked = _locked(operation)
        if locked.state != OperationState.PREVIEW:
            raise NotStarted(f"operation {locked.pk} is {locked.state} already")
        locked.reason = reason[:255] or locked.reason
        locked.per_second = per_second or locked.per_second
        locked.actor = operate.actor_name(actor)[:150]
        locked.last = selection.last_of(locked)
        locked.state = OperationState.RUNNING
        locked.started_at = locked.next_at = Now()
        locked.save(update_fields=["reason", "per_second", "actor", "last", "state", "started_at", "next_at"])
        operate.audit(actor, "start", f"operation {locked.pk}", locked.reason, after=_described(locked))
        announce(locked)
    locked.refresh_from_db()
    return locked


def stop(operation: Operation, *, actor: operate.Actor, reason: str = "") -> Operation:
    """Stop an operation behind its present batch, or drop its preview; what was done stays done.

    Raises: NotPermitted; NotStarted if it is over.
    """
    _permit(actor, operation)
    with ledger_transaction():
        locked = _locked(operation)
        if refusal := why_not_stopped(locked):
            raise NotStarted(f"operation {locked.pk} {refusal}")
        locked.state, locked.finished_at = OperationState.CANCELLED, Now()
        locked.cancelled_by = operate.actor_name(actor)[:150]
        locked.save(update_fields=["state", "finished_at", "cancelled_by"])
        operate.audit(actor, "stop", f"operation {locked.pk}", reason, after={"changed": locked.changed_count})
        announce(locked)
    locked.refresh_from_db()
    return locked


def why_not_stopped(operation: Operation) -> str:
    """Say why an operation cannot be stopped, behind its name; empty if it can."""
    if operation.verb not in BULK_VERBS:
        return f"was to {operation.verb}, which this release does not know"
    return f"is {operation.state} already" if operation.is_over else ""


def why_not_undone(operation: Operation) -> str:
    """Say why an operation cannot be undone, behind its name; empty if it can."""
    verb = BULK_VERBS.get(operation.verb)
    if verb is None or not verb.can_be_undone:
        return f"was to {operation.verb}, which cannot be undone"
    if not operation.is_over:
        return f"is {operation.state}: stop it first"
    if not operation.changed_count:
        return "has changed nothing"
    if operation.undone_by.exclude(state=OperationState.CANCELLED).exists():
        return "was undone before"
    return ""


def undo(operation: Operation, *, actor: operate.Actor, reason: str = "") -> Operation:
    """Start an operation that restores what this one discarded or cancelled and nobody has changed since.

    Raises: NotPermitted; NotStarted if it still runs or did something else.
    """
    operate.permit(actor, BULK_VERBS["restore"].permission, "restore", target=f"operation {operation.pk}")
    with ledger_transaction():  # two who undo the same one at a time: the second finds the first's
        locked = _locked(operation)
        if refusal := why_not_undone(locked):
            raise NotStarted(f"operation {locked.pk} {refusal}")
        made = Operation(
            verb="restore", undoes=locked, options={"operation_id": locked.pk}, per_second=locked.per_second,
            reason=reason[:255], actor=operate.actor_name(actor)[:150],
        )  # fmt: skip
        return start(_counted(made), actor=actor)


def announce(operation: Operation) -> None:
    """Tell open pages how far the operation is."""
    change = events.OperationChanged(
        operation.pk, operation.verb, str(operation.state), operation.expected_count, operation.changed_count,
        operation.skipped_count, operation.failed_count,
    )  # fmt: skip
    events.emit_on_commit(change)


def _permit(actor: operate.Actor, operation: Operation) -> None:
    if operation.verb not in BULK_VERBS:  # of another release, in the middle of an upgrade
        raise NotStarted(f"operation {operation.pk} was to {operation.verb}, which this release does not know")
    operate.permit(actor, BULK_VERBS[operation.verb].permission, operation.verb, target=f"operation {operation.pk}")


def _locked(operation: Operation) -> Operation:
    return Operation.objects.using(get_settings().database).select_for_update().get(pk=operation.pk)


def _described(operation: Operation) -> dict[str, Any]:
    told = {name: getattr(operation, name) for name in ("verb", "filter", "fingerprint", "options", "per_second")}
    told["jobs"] = len(operation.ids) if operation.ids is not None else None
    return {name: value for name, value in told.items() if value}
