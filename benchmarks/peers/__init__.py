"""The systems that are measured, in the order of the report. Each module here is imported by its own system only."""

from dataclasses import dataclass

ENQUEUE = ("single", "bulk")
RATES = (*ENQUEUE, "drain-noop-1", "drain-noop-2", "latency", "drain-work-1", "drain-work-2")
"""Measured in every repeat; a run whose time is up leaves out the last ones of the last repeats."""

ONCE = ("cost", "memory", "kill", "growth")
"""Measured once, not once per repeat: counts vary little, and growth takes minutes."""

MEASURES = (*RATES, *ONCE)
OF_QUEUES = tuple(measure for measure in MEASURES if measure != "growth")
OF_FLOORS = ("bulk", "drain-noop-1", "drain-noop-2")


@dataclass(frozen=True, slots=True)
class Peer:
    """A row of the report. `expected_rate` (no-op jobs per second) only sizes the first drain."""

    title: str
    module: str
    store: str
    expected_rate: int
    measures: tuple[str, ...] = OF_QUEUES
    variant: str = ""
    runtime: str = "peers"
    """Where it runs: in the "peers" environment, in the "project"'s own, or in "node"."""

    @property
    def is_floor(self) -> bool:
        """Whether this is no queue, only the calls that one would need."""
        return "latency" not in self.measures


PEERS = {
    "queuehub-postgresql": Peer("QueueHub on PostgreSQL", "queuehub", "postgresql", 8000, MEASURES, runtime="project"),
    "queuehub-sqlite": Peer("QueueHub on SQLite", "queuehub", "sqlite", 7000, MEASURES, runtime="project"),
    "rq-simple": Peer("RQ, SimpleWorker", "rq", "redis", 300, variant="rq.worker.SimpleWorker"),
    "rq-worker": Peer("RQ, Worker", "rq", "redis", 70, variant="rq.worker.Worker"),
    "celery-prefork": Peer("Celery on Redis, prefork", "celery", "redis", 800, variant="prefork"),
    "celery-threads": Peer("Celery on Redis, threads", "celery", "redis", 800, variant="threads"),
    "dramatiq": Peer("Dramatiq on Redis", "dramatiq", "redis", 3500),
    "huey": Peer("Huey on Redis", "huey", "redis", 2000),
    "taskiq": Peer("taskiq on Redis", "taskiq", "redis", 1500),
    "bullmq": Peer("BullMQ on Redis (Node)", "bullmq", "redis", 5000, runtime="node"),
    "procrastinate": Peer("Procrastinate", "procrastinate", "postgresql", 400, MEASURES),
    "django-tasks-db": Peer("django-tasks-db", "django_tasks_db", "postgresql", 250, MEASURES),
    "django-q2": Peer("django-q2, ORM broker", "django_q2", "postgresql", 250, MEASURES),
    "floor-redis": Peer("Floor: redis-py", "floor_redis", "redis", 0, ENQUEUE),
    "floor-postgresql": Peer("Floor: psycopg, INSERT", "floor_postgresql", "postgresql", 0, ENQUEUE),
    "floor-claim-100": Peer(
        "Floor: psycopg, claim and finish 100", "floor_claim", "postgresql", 25_000, OF_FLOORS, variant="100"
    ),
    "floor-claim-1000": Peer(
        "Floor: psycopg, claim and finish 1,000", "floor_claim", "postgresql", 40_000, OF_FLOORS, variant="1000"
    ),
}


def chosen(prefixes: list[str]) -> dict[str, Peer]:
    """Return the peers whose names begin with one of the prefixes; all for none.

    Raises: ValueError for a prefix that fits no peer.
    """
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in PEERS):
            raise ValueError(f"no peer is called {prefix!r}; there are {', '.join(PEERS)}")
    return {name: peer for name, peer in PEERS.items() if not prefixes or name.startswith(tuple(prefixes))}
