"""Pools of workers are drained and stopped by operators, wherever they run: their parents read it with a heartbeat."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from jobs import events
from jobs.conf import get_settings
from jobs.lifecycle.authority import Actor, audit, permit
from jobs.lifecycle.changing import Report
from jobs.models import Worker
from jobs.models.worker import Request, WorkerState
from jobs.statements import ledger_transaction

PERMISSION = "jobs.manage_worker"


def ask(request: Request, names: Iterable[Any], *, actor: Actor, reason: str = "") -> Report:
    """Ask the pools of these names, or of these workers, to drain or to stop; all workers of a pool end together.

    Whatever supervises a pool's process may start it anew. A pool that drains can still be stopped, not the reverse.

    Raises: NotPermitted.
    """
    permit(actor, PERMISSION, request.value, target="worker")
    report = Report()
    workers = Worker.objects.using(get_settings().database)
    for name in names:
        with ledger_transaction():
            pool = workers.living().filter(Q(pool=name) | Q(pk=name)).values_list("pool", flat=True).first()
            living = workers.living().filter(pool=pool).exclude(asked__in=[Request.STOP, request])
            ids = list(living.select_for_update().order_by("pk").values_list("pk", flat=True))
            if not ids:
                report.skipped[name] = "no worker of it goes on"
                continue
            workers.filter(pk__in=ids).update(asked=request)
            audit(actor, request.value, f"pool {pool}"[:160], reason, after={"workers": len(ids)})
            events.emit_on_commit(events.WorkersChanged(tuple(ids), WorkerState.STOPPING))
            report.changed.append(name)
    return report
