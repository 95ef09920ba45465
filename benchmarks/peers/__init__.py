"""The systems that are measured, in the order of the report. Each module here is imported by its own system only."""

from dataclasses import dataclass

ENQUEUE = ("single", "bulk")
DRAIN = ("drain-noop-1", "drain-noop-2", "drain-work-1", "drain-work-2")
MEASURES = (*ENQUEUE, *DRAIN, "latency")


@dataclass(frozen=True, slots=True)
class Peer:
    """A row of the report. `expected_rate` (no-op jobs per second) only sizes the first drain."""

    title: str
    module: str
    store: str
    expected_rate: int
    measures: tuple[str, ...] = MEASURES
    variant: str = ""
    has_project_environment: bool = False


PEERS = {
    "queuehub-postgresql": Peer("QueueHub on PostgreSQL", "queuehub", "postgresql", 6000, has_project_environment=True),
    "queuehub-sqlite": Peer("QueueHub on SQLite", "queuehub", "sqlite", 6000, has_project_environment=True),
    "rq-simple": Peer("RQ, SimpleWorker", "rq", "redis", 400, variant="rq.worker.SimpleWorker"),
    "rq-worker": Peer("RQ, Worker", "rq", "redis", 80, variant="rq.worker.Worker"),
    "dramatiq": Peer("Dramatiq on Redis", "dramatiq", "redis", 4000),
    "huey": Peer("Huey on Redis", "huey", "redis", 2500),
    "procrastinate": Peer("Procrastinate", "procrastinate", "postgresql", 500),
    "floor-redis": Peer("Floor: redis-py", "floor_redis", "redis", 0, ENQUEUE),
    "floor-postgresql": Peer("Floor: psycopg", "floor_postgresql", "postgresql", 0, ENQUEUE),
}


def chosen(prefixes: list[str]) -> dict[str, Peer]:
    """Return the peers whose names begin with one of the prefixes; all for none.

    Raises: ValueError for a prefix that fits no peer.
    """
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in PEERS):
            raise ValueError(f"no peer is called {prefix!r}; there are {', '.join(PEERS)}")
    return {name: peer for name, peer in PEERS.items() if not prefixes or name.startswith(tuple(prefixes))}
