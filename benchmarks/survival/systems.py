"""The systems and configurations that are tried, in the order of the report.

`quiet_seconds` is how long a trial waits without any progress before it gives up what is still held: longer than the
configuration's documented recovery where that is at most two minutes, else a minute, and the report says so.
"""

from dataclasses import dataclass

KILLS, HOST, FLUSH, BROKER = "kills", "host", "flush", "broker"
SCENARIOS = (KILLS, HOST, FLUSH, BROKER)
ABOUT_WORKERS = (KILLS, HOST)

RQ_DOCS = (
    "https://python-rq.org/docs/workers/",
    "https://python-rq.org/docs/job_registries/",
    "https://github.com/rq/rq/blob/master/docs/benchmark.md",
)
RQ_RETRY_DOCS = ("https://python-rq.org/docs/exceptions/", "https://python-rq.org/docs/workers/")
CELERY_DOCS = (
    "https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html",
    "https://docs.celeryq.dev/en/stable/glossary.html",
)
CELERY_LATE_DOCS = (
    "https://docs.celeryq.dev/en/stable/userguide/tasks.html",
    "https://docs.celeryq.dev/en/stable/userguide/optimizing.html",
)
KOMBU_DOCS = ("https://docs.celeryq.dev/projects/kombu/en/stable/reference/kombu.transport.redis.html",)
DRAMATIQ_DOCS = ("https://dramatiq.io/reference.html", "https://redis.io/docs/latest/integrate/dramatiq/")


@dataclass(frozen=True, slots=True)
class System:
    """A row of the report; `store` is where it keeps jobs, `recovery` its documented time to recover."""

    title: str
    module: str
    variant: str
    store: str
    quiet_seconds: float
    recovery: str
    documents: tuple[str, ...]
    scenarios: tuple[str, ...] = SCENARIOS


SYSTEMS = {
    "queuehub": System(
        "QueueHub, defaults", "queuehub", "", "postgresql", 40, "1 to 30 s", ("guarantees.md",)
    ),
    "rq": System("RQ, defaults", "rq", "", "redis", 60, "11 to 20 min, then marked as failed", RQ_DOCS),
    "rq-two": System("RQ, two queues", "rq", "two", "redis", 60, "as with one; none for a popped job", RQ_DOCS),
    "rq-tuned": System(
        "RQ, Retry(max=3), hurried", "rq", "tuned", "redis", 100, "65 to 80 s", RQ_RETRY_DOCS, ABOUT_WORKERS
    ),
    "rq-two-tuned": System(
        "RQ, two queues, Retry(max=3), hurried",
        "rq",
        "two-tuned",
        "redis",
        100,
        "65 to 80 s; none for a popped job",
        RQ_RETRY_DOCS,
        ABOUT_WORKERS,
    ),
    "celery": System("Celery, defaults", "celery", "", "redis", 60, "none once begun, else 1 h", CELERY_DOCS),
    "celery-late": System("Celery, late acks", "celery", "late", "redis", 60, "1 h", CELERY_LATE_DOCS),
    "celery-tuned": System(
        "Celery, late acks, hurried", "celery", "tuned", "redis", 45, "20 s", KOMBU_DOCS, ABOUT_WORKERS
    ),
    "dramatiq": System(
        "Dramatiq, defaults", "dramatiq", "", "redis", 120, "60 s, then by chance", DRAMATIQ_DOCS
    ),
    "dramatiq-tuned": System(
        "Dramatiq, hurried", "dramatiq", "tuned", "redis", 45, "10 s, then by chance", DRAMATIQ_DOCS, ABOUT_WORKERS
    ),
}


def chosen(names: list[str]) -> dict[str, System]:
    """Return the systems of these names, in the order of the report; all for none.

    Raises: ValueError for a name that no system has.
    """
    for name in names:
        if name not in SYSTEMS:
            raise ValueError(f"no system is called {name!r}; there are {', '.join(SYSTEMS)}")
    return {name: system for name, system in SYSTEMS.items() if not names or name in names}
