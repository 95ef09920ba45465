"""Processes survive: an error strikes at the durable steps instead, as from a server that fails at that moment.

Only at steps that talk to a server; elsewhere nothing can be raised.
"""

import pytest

from tests.faults.crashes import armed, await_firing, restart_pool, restart_scheduler
from tests.faults.site import RATE, Site

LEDGER, TRANSPORT = "raise=OperationalError", "raise=TransportUnavailable"

IN_POOL = {
    "receive.popped": (LEDGER, 0.02),
    "claim.committed": (LEDGER, 0.02),
    "receive.put": (TRANSPORT, 0.02),
    "settle.judged": (LEDGER, 0.05),
    "settle.moved": (LEDGER, 0.05),
    "settle.recorded": (LEDGER, 0.05),
    "settle.counted": (LEDGER, 0.05),
    "atomic.settled": (LEDGER, 0.1),
    "heartbeat.written": (LEDGER, 0.3),
}
IN_PRODUCER = {"publish.sent": (TRANSPORT, 0.1), "dispatch.refused": (LEDGER, 0.5)}
IN_SCHEDULER = {
    "due.promoted": (LEDGER, 0.3),
    "dispatch.taken": (LEDGER, 0.3),
    "publish.sent": (TRANSPORT, 0.3),
    "repair.compared": (TRANSPORT, 0.5),
    "repair.cleared": (TRANSPORT, 0.5),
    "fold.added": (LEDGER, 0.5),
}


def rules(points: dict[str, tuple[str, float]]) -> dict[str, str]:
    """Return the environment of a process in which errors strike at these points, each by its own chance."""
    return armed(*(f"{name}={action}:probability={chance}" for name, (action, chance) in points.items()))


@pytest.mark.fault("crash at each durable step", "commit acknowledged but the reply lost")
@pytest.mark.on_sqlite
def test_errors_at_the_durable_steps_of_a_pool_lose_nothing(site: Site) -> None:
    site.start(pools=2)
    with site.fault():
        restart_pool(site, "b", **rules(IN_POOL))
        await_firing(site, IN_POOL, lambda: None, site.load_seconds)
        restart_pool(site, "b")
    site.check()


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_errors_at_the_durable_steps_of_a_scheduler_lose_nothing(site: Site) -> None:
    site.start(pools=2)

    def harm() -> None:
        with site.broker.client() as client:
            client.flushall()

    with site.fault():
        restart_scheduler(site, "s", **rules(IN_SCHEDULER))
        await_firing(site, IN_SCHEDULER, harm, site.load_seconds)
        restart_scheduler(site, "s")
    site.check()


@pytest.mark.fault("crash at each durable step")
@pytest.mark.on_sqlite
def test_errors_at_the_durable_steps_of_a_producer_lose_nothing(site: Site) -> None:
    site.start(pools=2, rate=RATE / 2)
    with site.fault():
        site.produce(RATE / 2, **rules(IN_PRODUCER))
        await_firing(site, IN_PRODUCER, lambda: None, site.load_seconds)
    site.check()
