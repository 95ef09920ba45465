"""Prometheus's own linter has nothing to say about the engine's metrics."""

import subprocess

import pytest

from dashboards import metrics
from tests.alerts.promtool import program
from tests.factories import make_job


@pytest.mark.one_ledger
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_promtool_is_silent_about_every_metric_of_the_engine() -> None:
    tool = program("promtool")
    for state in ("succeeded", "dead", "queued", "cancelled"):
        make_job(state, task="tests.tasks.add", args=[1], queue="mail")
    ended = subprocess.run([tool, "check", "metrics"], input=metrics.text(), capture_output=True, timeout=60)
    said = (ended.stdout + ended.stderr).decode()
    assert "error while linting" not in said
    assert [line for line in said.splitlines() if "queuehub_" in line] == []
    bad = metrics.text().replace(b"queuehub_jobs_enqueued_total", b"queuehub_jobs_enqueued")
    ended = subprocess.run([tool, "check", "metrics"], input=bad, capture_output=True, timeout=60)
    assert b"queuehub_jobs_enqueued" in ended.stdout + ended.stderr, "it does look"
