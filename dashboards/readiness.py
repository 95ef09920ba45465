"""Whether this site can do its work now: what /readyz answers from."""

from datetime import datetime, timedelta
from typing import Any

from dashboards import figures
from dashboards.probes import Probe
from jobs.conf import get_settings
from jobs.models import SchedulerLease
from jobs.transports import get_transport

PROBE_SECONDS = 0.8
"""Time for each answer; two that do not come stay below two seconds."""

broker = Probe(lambda: get_transport().ping(), PROBE_SECONDS)
ledger = Probe(lambda: (figures.present(), figures.scheduler_lease()), PROBE_SECONDS)


def state() -> dict[str, dict[str, Any]]:
    """Ask ledger and broker, and the ledger for the scheduler: each "is_up", with what is known beside it.

    A scheduler is up while its lease was valid less than LOST_AFTER_SECONDS ago: a change of the leader is no outage.
    """
    answer = ledger.ask()
    lease = answer[1] if answer else None
    ping_seconds = broker.ask()
    scheduler: dict[str, Any] = {"is_up": False, "holder": ""}
    if answer and lease:
        scheduler = {"is_up": _is_recent(lease, answer[0]), "holder": lease.holder, "expires_at": lease.expires_at}
    return {
        "ledger": {"is_up": answer is not None},
        "broker": {"is_up": ping_seconds is not None, "ping_seconds": ping_seconds},
        "scheduler": scheduler,
    }


def _is_recent(lease: SchedulerLease, now: datetime) -> bool:
    return lease.expires_at > now - timedelta(seconds=get_settings().lost_after_seconds)
