"""What Prometheus scrapes: django-prometheus's metrics and the engine's own.

The counters come from the statistics in the ledger, so that every web process shows the same totals and they
survive restarts. Servers that are down or hang cost two seconds at most: then their gauges say 0.
"""

import os
import platform
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

import django
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from dashboards import figures
from dashboards.probes import Probe
from dashboards.visitors import is_within
from jobs import statistics
from jobs.conf import get_settings
from jobs.definition import registry as tasks
from jobs.states import JobState
from jobs.transports import get_transport

CONTENT_TYPE = CONTENT_TYPE_LATEST
PING_SECONDS = 0.5
COUNT_SECONDS = 0.9
"""Time for the figures; where they take longer, they are missing from this scrape."""

TASK_LABEL_LIMIT = 500
OTHER = "__other__"
"""The label of tasks over the limit and of names that no code registers."""

FINAL_STATES = (JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED)
GAUGE_STATES = tuple(state for state in JobState if state != JobState.SUCCEEDED)

broker = Probe(lambda: get_transport().ping(), PING_SECONDS)
ledger = Probe(figures.present, PING_SECONDS)
ledger_figures = Probe(lambda: (statistics.totals(), figures.job_counts()), COUNT_SECONDS)


def is_open_to(authorization: str, address: str = "") -> bool:
    """Say whether this Authorization header or this address of a scraper opens /metrics.

    Without QUEUEHUB["METRICS_TOKEN"] and QUEUEHUB["METRICS_NETWORKS"], development is open to everybody and
    production to nobody.
    """
    token, networks = get_settings().metrics_token, get_settings().metrics_networks
    if not token and not networks:
        return not getattr(settings, "IS_PRODUCTION", not settings.DEBUG)
    if is_within(address, networks):
        return True
    return bool(token) and secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode())


def text(names: Sequence[str] = ()) -> bytes:
    """Return all metrics, or those of these names, in the text format."""
    return generate_latest(Selection(names))


class Selection:
    """A registry for one scrape: nothing is registered anywhere, so that no request can spoil the next."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)

    def collect(self) -> Iterator[Metric]:
        for family in (*_process_registry().collect(), *engine_metrics()):
            if not self.names or self.names & {family.name, *(sample.name for sample in family.samples)}:
                yield family


def _process_registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)
    return shared


def engine_metrics() -> Iterator[Metric]:
    """Ask the servers and yield the engine's metrics."""
    is_broker_up = broker.ask() is not None
    is_ledger_up = ledger.ask() is not None
    yield _gauge("broker_up", "Whether the transport's broker answers.", is_broker_up)
    yield _gauge("ledger_up", "Whether the ledger's database answers.", is_ledger_up)
    yield _build_info()
    answer = ledger_figures.ask() if is_ledger_up else None
    if answer is not None:
        totals, counts = answer
        yield _finished(totals)
        yield _worthless_messages(totals)
        yield _queue_jobs(counts)
        yield _dead_letters(counts)


def _finished(totals: dict[tuple[str, str], statistics.Figures]) -> Metric:
    family = CounterMetricFamily(
        "queuehub_jobs_finished", "Jobs that reached a final state.", labels=["queue", "task", "state"]
    )
    labels = task_labels()
    sums: Counter[tuple[str, str, str]] = Counter()
    for (queue, task), done in totals.items():
        for state in FINAL_STATES if queue else ():
            sums[queue, labels.get(task, OTHER), state.value] += done.counts.get(f"state_{state.value}", 0)
    for key, value in sorted(sums.items()):
        family.add_metric(key, value)
    return family


def _worthless_messages(totals: dict[tuple[str, str], statistics.Figures]) -> Metric:
    family = CounterMetricFamily(
        "queuehub_messages_worthless",
        "Messages that led to no job: damaged or forged, or void because their job is unknown, done or taken.",
        labels=["reason"],
    )
    for reason in ("damaged", "void"):
        family.add_metric([reason], sum(done.counts.get(f"messages_{reason}", 0) for done in totals.values()))
    return family


def _queue_jobs(counts: Iterable[figures.JobCount]) -> Metric:
    family = GaugeMetricFamily(
        "queuehub_queue_jobs", "Jobs in the ledger, without succeeded ones.", labels=["queue", "state"]
    )
    sums: Counter[tuple[str, str]] = Counter()
    for row in counts:
        sums[row.queue, row.state] += row.count
    for queue in sorted({row.queue for row in counts} | {task.queue_name for task in tasks}):
        for state in GAUGE_STATES:
            family.add_metric([queue, state.value], sums[queue, state.value])
    return family


def _dead_letters(counts: Iterable[figures.JobCount]) -> Metric:
    family = GaugeMetricFamily("queuehub_dead_letters", "Jobs that wait for an operator.", labels=["queue", "task"])
    labels = task_labels()
    sums: Counter[tuple[str, str]] = Counter()
    for row in counts:
        if row.state == JobState.DEAD:
            sums[row.queue, labels.get(row.task, OTHER)] += row.count
    for key, value in sorted(sums.items()):
        family.add_metric(key, value)
    return family


def _gauge(name: str, documentation: str, value: bool) -> Metric:
    return GaugeMetricFamily(f"queuehub_{name}", documentation, value=float(value))


def _build_info() -> Metric:
    family = GaugeMetricFamily("queuehub_build_info", "Versions, as labels.", labels=["version", "python", "django"])
    family.add_metric([_version(), platform.python_version(), django.get_version()], 1)
    return family


def task_labels() -> dict[str, str]:
    """Map registered tasks to their labels; a name that only a row carries opens no time series."""
    names = sorted(task.module_path for task in tasks)[:TASK_LABEL_LIMIT]
    return {name: name for name in names}


def _version() -> str:
    try:
        return version("queuehub")
    except PackageNotFoundError:  # a checkout that is not installed
        return "development"
