"""What may happen to a site in a soak: each harms it, waits, and leaves it able to recover; twelve seconds at most."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from tests.faults import harm_redis
from tests.faults.ledgers import PostgreSQLLedger
from tests.faults.rows import insert
from tests.faults.site import Site

Harm = Callable[[Site], None]

MOMENT_SECONDS = 0.1
"""Long enough for one strike of a harm that is done again and again."""


def kill_a_worker(site: Site) -> None:
    site.kill_a_worker()


def kill_a_parent(site: Site) -> None:
    site.kill_a_parent()


def kill_a_pool(site: Site) -> None:
    site.kill_a_pool()


def kill_the_schedulers(site: Site) -> None:
    for scheduler in site.schedulers.values():
        scheduler.send(signal.SIGKILL)


def freeze_a_scheduler(site: Site) -> None:
    scheduler = site.schedulers[site.random.choice(sorted(site.schedulers))]
    scheduler.send(signal.SIGSTOP)
    site.rest(10)
    scheduler.send(signal.SIGCONT)


def restart_a_pool(site: Site) -> None:
    site.pools[site.random.choice(sorted(site.pools))].send(signal.SIGTERM)


def stop_workers(site: Site) -> None:
    for pid in site.worker_pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def freeze_a_worker(site: Site) -> None:
    if pids := site.worker_pids():
        pid = site.random.choice(pids)
        os.kill(pid, signal.SIGSTOP)
        site.rest(3)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def enqueue_poison(site: Site) -> None:
    insert(site, "poison")


def flush(site: Site) -> None:
    harm_redis.be_flushed(site, MOMENT_SECONDS)


def cut_broker_connections(site: Site) -> None:
    harm_redis.kill_connections(site, MOMENT_SECONDS)


def damage_keys(site: Site) -> None:
    with site.broker.client() as client:
        for key in ("rq:queue:default", "rq:queues"):
            client.delete(key)
            client.set(key, "garbage")


def freeze_the_broker(site: Site) -> None:
    harm_redis.freeze(site, 5)


def restart_the_broker(site: Site) -> None:
    harm_redis.be_shut_down(site, 2)


def terminate_backends(site: Site) -> None:
    site.ledger.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def crash_the_ledger(site: Site) -> None:
    assert isinstance(site.ledger, PostgreSQLLedger)
    site.ledger.server.halt()
    site.rest(2)
    site.ledger.server.run()


ANYWHERE: tuple[Harm, ...] = (
    kill_a_worker,
    kill_a_parent,
    kill_a_pool,
    kill_the_schedulers,
    freeze_a_scheduler,
    restart_a_pool,
    stop_workers,
    enqueue_poison,
    flush,
    cut_broker_connections,
    damage_keys,
    freeze_the_broker,
    restart_the_broker,
)

MENUS: dict[str, tuple[Harm, ...]] = {
    # A frozen process may hold SQLite's one write lock, and then nobody can write: only a server survives that.
    "sqlite": tuple(harm for harm in ANYWHERE if harm is not freeze_a_scheduler),
    "postgresql": (*ANYWHERE, freeze_a_worker, terminate_backends, crash_the_ledger),
}

