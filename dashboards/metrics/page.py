"""One scrape: all metrics, or those of some names, in the text format."""

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import django
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from dashboards import figures
from dashboards.metrics import gauges, totals
from dashboards.metrics.labels import task_labels
from dashboards.metrics.prepared import Prepared
from dashboards.metrics.reading import read, read_broker
from dashboards.probes import Probe

BROKER_SECONDS = 0.4
LEDGER_SECONDS = 0.9
"""Time for the figures; where they take longer, they are missing from this scrape."""
PING_SECONDS = 0.3
"""The three come one after another, and leave of two seconds some for a machine that is busy."""
MANY_JOBS, MANY_SERIES = 10_000, 50
"""A ledger with more jobs to count, or with more tasks on queues, is read ahead."""


@dataclass(frozen=True, slots=True)
class Written:
    """One family in the text format, with the names by which it may be asked for."""

    names: frozenset[str]
    text: bytes


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """What the ledger tells, ready to be sent."""

    families: list[Written]
    is_large: bool


def text(names: Sequence[str] = ()) -> bytes:
    """Return all metrics, or those of these names, in the text format."""
    wanted = frozenset(names)
    families = [*(written(family) for family in _process_registry().collect()), *engine_metrics()]
    return b"".join(each.text for each in families if not wanted or wanted & each.names)


class _One:
    """A registry of one family: nothing is registered anywhere, so that no request can spoil the next."""

    def __init__(self, family: Metric) -> None:
        self.family = family

    def collect(self) -> Iterable[Metric]:
        yield self.family


def written(family: Metric) -> Written:
    """Return a family in the text format."""
    names = {family.name, *(sample.name for sample in family.samples)}
    return Written(frozenset(names), generate_latest(_One(family)))


def _process_registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)
    return shared


def ledger_page() -> LedgerPage:
    """Read the ledger, and the broker beside it, and write what they tell."""
    reading, labels = read(), task_labels()
    families = [*totals.families(reading, labels), *gauges.families(reading, labels)]
    told = broker.ask()  # now, and not when it is sent: drift compares the two
    if told is not None:
        families.append(gauges.drift(reading, told.depths))
    is_large = sum(row.count for row in reading.counts) > MANY_JOBS or len(reading.totals) > MANY_SERIES
    return LedgerPage([written(family) for family in families], is_large)


broker = Probe(read_broker, BROKER_SECONDS)
ledger = Prepared(ledger_page, lambda page: page.is_large, LEDGER_SECONDS)
ledger_ping = Probe(figures.present, PING_SECONDS)


def engine_metrics() -> Iterator[Written]:
    """Ask the servers and yield the engine's metrics."""
    told = broker.ask()
    page, is_fresh = ledger.ask()
    is_ledger_up = (page is not None and is_fresh) or ledger_ping.ask() is not None
    yield written(gauges.plain("broker_up", "Whether the transport's broker answers.", told is not None))
    yield written(gauges.plain("ledger_up", "Whether the ledger's database answers.", is_ledger_up))
    ping_seconds = told.ping_seconds if told else None
    yield written(gauges.plain("broker_ping_seconds", "One round trip to the broker.", ping_seconds))
    yield from map(written, (_build_info(), *gauges.live()))
    if page is not None and is_ledger_up:
        yield from page.families


def _build_info() -> Metric:
    family = GaugeMetricFamily("queuehub_build_info", "Versions, as labels.", labels=["version", "python", "django"])
    family.add_metric([_version(), platform.python_version(), django.get_version()], 1)
    return family


def _version() -> str:
    try:
        return version("queuehub")
    except PackageNotFoundError:  # a checkout that is not installed
        return "development"
