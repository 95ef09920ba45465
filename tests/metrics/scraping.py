"""What a scraper sees: the engine's families by name, read from the page's text."""

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dashboards import metrics

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> dict[str, Metric]:
    """Return the families of a page; those of counters without `_total`."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def scraped() -> dict[str, Metric]:
    """Return the families that this process would give."""
    return parsed(metrics.text().decode())


def value(family: Metric, **labels: str) -> float:
    """Return the one sample with just these labels."""
    (found,) = [sample.value for sample in family.samples if sample.labels == labels]
    return found


def summed(family: Metric, *names: str) -> dict[tuple[str, ...], int]:
    """Add up the samples by the values of these labels, and leave out zeros."""
    sums: dict[tuple[str, ...], int] = {}
    for sample in family.samples:
        key = tuple(sample.labels[name] for name in names)
        sums[key] = sums.get(key, 0) + int(sample.value)
    return {key: number for key, number in sums.items() if number}


def rising(families: dict[str, Metric]) -> Series:
    """Return every sample of the engine that must never go down."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families.values()
        if family.name.startswith("queuehub_") and family.type in ("counter", "histogram")
        for sample in family.samples
    }
