"""docs/metrics.md names every metric of the engine, and no other."""

import re

import pytest

from tests.factories import make_job
from tests.metrics.scraping import scraped
from tests.support import PROJECT


@pytest.mark.one_ledger
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_every_metric_is_described() -> None:
    make_job("succeeded", task="tests.tasks.add", args=[1], queue="mail")
    families = [family for family in scraped().values() if family.name.startswith("queuehub_")]
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    rows = [line.split("|")[1] for line in (PROJECT / "docs/metrics.md").read_text().splitlines() if line[:3] == "| `"]
    assert {name for row in rows for name in re.findall(r"`(queuehub_\w+)`", row)} == names
