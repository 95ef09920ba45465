"""Queues are paused and resumed."""

from functools import partial

from django.db.models.functions import Now

from jobs import events
from jobs.conf import get_settings
from jobs.lifecycle.authority import Actor, actor_name, audit, permit
from jobs.lifecycle.conflicts import again_on_conflict
from jobs.lifecycle.publishing import unpublish_queue
from jobs.models import Queue
from jobs.names import check_name
from jobs.statements import ledger_transaction


def pause_queue(name: str, *, actor: Actor, reason: str = "") -> bool:
    """Let no worker claim from the queue; running jobs go on. Return False if it was paused already.

    Raises: NotPermitted, InvalidJob for a bad name.
    """
    return _set_pause(name, actor, reason, is_paused=True)


def resume_queue(name: str, *, actor: Actor, reason: str = "") -> bool:
    """Let workers claim from the queue again. Return False if it was not paused.

    Raises: NotPermitted, InvalidJob for a bad name.
    """
    return _set_pause(name, actor, reason, is_paused=False)


def _set_pause(name: str, actor: Actor, reason: str, *, is_paused: bool) -> bool:
    check_name("queue", name)
    permit(actor, "jobs.pause_queue", "pause" if is_paused else "resume", target=f"queue {name}")
    return again_on_conflict(partial(_write_pause, name, actor, reason, is_paused=is_paused))


def _write_pause(name: str, actor: Actor, reason: str, *, is_paused: bool) -> bool:
    queues = Queue.objects.using(get_settings().database)
    with ledger_transaction():
        rows = queues.select_for_update()
        # a name that nobody knows was not paused; a row for it would make it known
        queue = rows.get_or_create(name=name)[0] if is_paused else rows.filter(name=name).first()
        if queue is None or (queue.paused_at is not None) == is_paused:
            return False
        values = (Now(), actor_name(actor), reason) if is_paused else (None, "", "")
        queues.filter(name=name).update(
            paused_at=values[0], paused_by=values[1][:150], paused_reason=values[2][:255]
        )
        # messages that stand on the transport become void; the dispatcher sends fresh ones after the resume
        unpublish_queue(name)
        audit(actor, "pause" if is_paused else "resume", f"queue {name}", reason)
        events.emit_on_commit(events.QueueChanged(name, is_paused))
    return True
