"""A web process gives django-prometheus's metrics beside the engine's."""

from urllib.request import urlopen

import pytest
from prometheus_client import Metric

from tests.metrics.scraping import parsed, value
from tests.support import eventually

pytestmark = pytest.mark.one_ledger


def test_requests_statements_caches_and_migrations_are_on_the_page(web_server: str) -> None:
    def families() -> dict[str, Metric]:
        with urlopen(f"{web_server}/metrics", timeout=20) as answer:
            return parsed(answer.read().decode())

    with urlopen(f"{web_server}/healthz", timeout=20):
        pass
    found = eventually(
        lambda: (told := families())["django_migrations_applied_total"].samples and told, 30, "no migrations"
    )
    found = families()  # the statements of a scrape stand on the next page
    assert [sample.value > 20 for sample in found["django_migrations_applied_total"].samples] == [True]
    assert [sample.value for sample in found["django_migrations_unapplied_total"].samples] == [0]
    assert sum(sample.value for sample in found["django_db_execute"].samples if sample.name.endswith("_total")) > 5
    assert "django_db_query_duration_seconds" in found
    assert "django_cache_get" in found
    assert found["django_http_requests_before_middlewares"].samples[0].value >= 1
    assert value(found["queuehub_ledger_up"]) == 1
