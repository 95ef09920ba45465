"""What Prometheus scrapes: django-prometheus's metrics and the engine's own.

Totals come from the statistics in the ledger, so that every web process shows the same ones and they survive restarts;
the present is looked at in each scrape. Servers that are down or hang cost two seconds at most: their gauges say 0.
docs/metrics.md describes every metric.
"""

from prometheus_client import CONTENT_TYPE_LATEST

from dashboards.metrics.door import is_open_to
from dashboards.metrics.labels import OTHER
from dashboards.metrics.page import text

__all__ = ["CONTENT_TYPE", "OTHER", "is_open_to", "text"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
