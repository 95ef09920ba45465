"""Operations go on, batch by batch. Where one stands is written in the transaction of its batch.

So a batch is done or not done, whoever crashes: no job is changed twice and none is left out.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from jobs import lifecycle
from jobs.conf import get_settings
from jobs.errors import shown
from jobs.lifecycle import operate
from jobs.models import Operation, OperationResult
from jobs.models.operation import OperationState
from jobs.operations import selection
from jobs.operations.starting import announce
from jobs.operations.verbs import BULK_VERBS, BulkVerb
from jobs.statements import LOCK_SECONDS, ledger_transaction

logger = logging.getLogger("jobs.operations")

BATCH = 250
"""Jobs between two looks at the scheduler's other duties: some tenth of a second."""


def advance(limit: int = BATCH) -> int:
    """Do the next batch of the running operation that has waited longest; return how many jobs it had."""
    with ledger_transaction(LOCK_SECONDS):
        running = Operation.objects.using(get_settings().database).filter(
            state=OperationState.RUNNING,
            next_at__lte=Now(),
            verb__in=sorted(BULK_VERBS),  # one of another release waits for its leader, and holds up no others
        )
        # locked: should two processes lead, they do not do the same batch
        operation = running.order_by("next_at", "id").select_for_update(skip_locked=True).first()
        return _advance(operation, limit) if operation is not None else 0


def finish_now(
    operation: Operation, limit: int = BATCH, told: Callable[[Operation], None] = lambda operation: None
) -> Operation:
    """Do all batches of a started operation here and now, for a person who waits; `told` hears of each batch."""
    is_over = False
    while not is_over:
        with ledger_transaction():
            locked = Operation.objects.using(get_settings().database).select_for_update().get(pk=operation.pk)
            if not locked.is_over:
                _advance(locked, limit)
            is_over = locked.is_over
        told(locked)
    locked.refresh_from_db()
    return locked


def _advance(operation: Operation, limit: int) -> int:
    size = min(limit, operation.per_second or limit)
    try:
        ids, cursor = selection.page(operation, operation.cursor, size)
    except Exception as error:
        if lifecycle.is_ledger_away(error):
            raise
        logger.exception("operation %s cannot go on", operation.pk)
        _end(operation, OperationState.FAILED, f"its jobs cannot be found: {shown(error)}")
        return 1
    if ids:
        _work(operation, ids)
        operation.cursor = cursor
        pause = timedelta(seconds=len(ids) / operation.per_second) if operation.per_second else None
        # without a pause no sum: SQLite writes one in another form, which sorts behind the present
        operation.next_at = Now() + pause if pause else Now()
    if len(ids) < size:
        _end(operation, OperationState.FINISHED)
    else:
        _save(operation)
    return max(len(ids), 1)


def _work(operation: Operation, ids: Sequence[UUID]) -> None:
    verb = BULK_VERBS[operation.verb]
    try:
        report, failed = _perform(verb, operation, ids), dict[UUID, str]()
    except Exception as error:
        if lifecycle.is_ledger_away(error):
            raise
        logger.exception("a batch of operation %s failed; its jobs are tried one by one", operation.pk)
        report, failed = _perform_singly(verb, operation, ids)
    left = [(job_id, "failed", why) for job_id, why in failed.items()]
    left += [(UUID(str(job_id)), "skipped", why) for job_id, why in report.skipped.items()]
    OperationResult.objects.using(get_settings().database).bulk_create(
        [OperationResult(operation=operation, job_id=i, result=result, reason=why[:255]) for i, result, why in left],
        ignore_conflicts=True,
    )
    operation.changed_count += len(report.changed)
    operation.skipped_count += len(report.skipped)
    operation.failed_count += len(failed)


def _perform(verb: BulkVerb, operation: Operation, ids: Sequence[UUID]) -> operate.Report:
    actor = operate.OnBehalf(operation.actor, operation.pk)
    with transaction.atomic(using=get_settings().database):
        return verb.perform(ids, actor=actor, reason=operation.reason, **verb.read(operation.options))


def _perform_singly(
    verb: BulkVerb, operation: Operation, ids: Sequence[UUID]
) -> tuple[operate.Report, dict[UUID, str]]:
    report, failed = operate.Report(), dict[UUID, str]()
    for job_id in ids:
        try:
            done = _perform(verb, operation, [job_id])
        except Exception as error:
            if lifecycle.is_ledger_away(error):
                raise
            failed[job_id] = f"{type(error).__name__}: {error}"[:255]
            continue
        report = operate.Report(report.changed + done.changed, report.skipped | done.skipped)
    return report, failed


def _end(operation: Operation, state: OperationState, error: str = "") -> None:
    operation.state, operation.error, operation.finished_at = state, error[:255], Now()
    _save(operation)


def _save(operation: Operation) -> None:
    operation.save(
        update_fields=[
            "cursor", "next_at", "state", "error", "finished_at", "changed_count", "skipped_count", "failed_count",
        ]
    )  # fmt: skip
    announce(operation)
