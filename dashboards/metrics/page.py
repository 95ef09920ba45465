"""One scrape: all metrics, or those of some names, in the text format."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

import django
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from dashboards import figures
from dashboards.metrics import gauges, totals
from dashboards.metrics.labels import task_labels
from dashboards.metrics.reading import Broker, read, read_broker
from dashboards.probes import Probe

BROKER_SECONDS = 0.5
LEDGER_SECONDS = 0.9
"""Time for the figures; where they take longer, they are missing from this scrape."""
PING_SECONDS = 0.5

broker = Probe(read_broker, BROKER_SECONDS)
ledger = Probe(read, LEDGER_SECONDS)
ledger_ping = Probe(figures.present, PING_SECONDS)


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
    told: Broker | None = broker.ask()
    reading = ledger.ask()
    is_ledger_up = reading is not None or ledger_ping.ask() is not None
    yield gauges.plain("broker_up", "Whether the transport's broker answers.", told is not None)
    yield gauges.plain("ledger_up", "Whether the ledger's database answers.", is_ledger_up)
    yield gauges.plain("broker_ping_seconds", "One round trip to the broker.", told and told.ping_seconds)
    yield _build_info()
    yield from gauges.live()
    if reading is not None:
        labels = task_labels()
        yield from totals.families(reading, labels)
        yield from gauges.families(reading, labels)
        if told is not None:
            yield gauges.drift(reading, told.depths)


def _build_info() -> Metric:
    family = GaugeMetricFamily("queuehub_build_info", "Versions, as labels.", labels=["version", "python", "django"])
    family.add_metric([_version(), platform.python_version(), django.get_version()], 1)
    return family


def _version() -> str:
    try:
        return version("queuehub")
    except PackageNotFoundError:  # a checkout that is not installed
        return "development"
