"""Operations that are over are kept for a while; what they changed stands in the audit log for good."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from jobs.conf import get_settings
from jobs.models import Operation, OperationResult
from jobs.models.operation import OperationState
from jobs.statements import LOCK_SECONDS, ledger_transaction

KEPT_DAYS = 90
PREVIEW_KEPT_DAYS = 1
RESULTS = 5000


def delete_old(limit: int = RESULTS) -> int:
    """Delete old operations, and up to `limit` of their results first; return how many rows."""
    database = get_settings().database
    with ledger_transaction(LOCK_SECONDS):
        old = Operation.objects.using(database).filter(
            Q(finished_at__lt=Now() - timedelta(days=KEPT_DAYS))
            | Q(state=OperationState.PREVIEW, created_at__lt=Now() - timedelta(days=PREVIEW_KEPT_DAYS))
        )
        ids = list(old.order_by("id").values_list("id", flat=True)[:100])
        if not ids:
            return 0
        results = OperationResult.objects.using(database).filter(operation_id__in=ids)
        found = list(results.values_list("id", flat=True)[:limit])
        if found:
            return results.filter(id__in=found)._raw_delete(database)
        Operation.objects.using(database).filter(undoes_id__in=ids).update(undoes=None)
        return Operation.objects.using(database).filter(id__in=ids)._raw_delete(database)
