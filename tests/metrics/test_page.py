"""What Prometheus scrapes."""

import socket
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from django.test import Client
from prometheus_client import Metric

from dashboards import metrics
from dashboards.metrics import labels, totals
from jobs import statistics
from tests.factories import make_job
from tests.metrics.scraping import parsed, value
from tests.support import Processes, free_port

ADD = "tests.tasks.add"


def scrape(client: Client, path: str = "/metrics", **headers: str) -> dict[str, Metric]:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return parsed(answer.content.decode())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_counters_and_gauges_equal_the_ledger(client: Client) -> None:
    for state in ("succeeded", "succeeded", "dead", "queued", "retrying"):
        make_job(state, task=ADD, args=[1], queue="mail")
    families = scrape(client)
    finished = families["queuehub_jobs_finished"]
    assert value(finished, queue="mail", task=ADD, state="succeeded") == 2
    assert value(finished, queue="mail", task=ADD, state="dead") == 1
    jobs = families["queuehub_queue_jobs"]
    assert {sample.labels["state"]: sample.value for sample in jobs.samples if sample.labels["queue"] == "mail"} == {
        "scheduled": 0, "blocked": 0, "queued": 1, "running": 0, "retrying": 1, "dead": 1, "cancelled": 0,
    }  # fmt: skip
    assert value(families["queuehub_dead_letters"], queue="mail", task=ADD) == 1
    assert value(families["queuehub_broker_up"]) == 1
    assert value(families["queuehub_ledger_up"]) == 1
    assert families["queuehub_build_info"].samples[0].labels.keys() == {"version", "python", "django"}
    assert "django_http_requests_before_middlewares" in families


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_folding_the_statistics_changes_no_counter(client: Client) -> None:
    for _ in range(3):
        make_job("succeeded", task=ADD, args=[1], queue="mail")
    before = scrape(client)["queuehub_jobs_finished"].samples
    assert statistics.fold() > 0
    assert scrape(client)["queuehub_jobs_finished"].samples == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_a_selection_by_name_does_not_spoil_the_next_scrape(client: Client) -> None:
    everything = scrape(client).keys()
    assert scrape(client, "/metrics?name[]=queuehub_broker_up").keys() == {"queuehub_broker_up"}
    assert scrape(client, "/metrics?name[]=queuehub_jobs_finished_total").keys() <= {"queuehub_jobs_finished"}
    assert scrape(client, "/metrics?name[]=nonsense") == {}
    assert scrape(client).keys() >= everything


@pytest.mark.fast
def test_a_task_that_no_code_registers_gets_no_label_of_its_own() -> None:
    done = {("q", "gone.task"): statistics.Figures({"state_dead": 2}), ("q", ADD): statistics.Figures({})}
    done = {("q", "gone.task"): statistics.Figures({"state_dead": 2}), ("q", ADD): statistics.Figures({})}
    family = totals.finished(totals.by_label(done, labels.task_labels()))
    assert value(family, queue="q", task=metrics.OTHER, state="dead") == 2
    assert "gone.task" not in {sample.labels["task"] for sample in family.samples}


@pytest.mark.fast
def test_a_token_closes_metrics_to_those_without_it(settings: Any) -> None:
    settings.IS_PRODUCTION = False
    assert metrics.is_open_to("")
    settings.IS_PRODUCTION = True
    assert not metrics.is_open_to("")
    assert not metrics.is_open_to("Bearer ")
    settings.QUEUEHUB = {**settings.QUEUEHUB, "METRICS_TOKEN": "tøken"}
    assert not metrics.is_open_to("Bearer token")
    assert metrics.is_open_to("Bearer tøken")


@pytest.mark.fast
def test_a_closed_scrape_says_what_to_send(client: Client, settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "METRICS_TOKEN": "secret"}
    answer = client.get("/metrics")
    assert answer.status_code == 401
    assert b"bearer token" in answer.content


@pytest.fixture
def silent_ports() -> Iterator[list[int]]:
    """Two ports on which a server takes connections and never says a word, as one does that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield [one.getsockname()[1], other.getsockname()[1]]


@pytest.mark.one_ledger
@pytest.mark.parametrize("is_hanging", [False, True], ids=["down", "hanging"])
def test_servers_that_are_down_cost_two_seconds_and_no_error(
    processes: Processes, silent_ports: list[int], is_hanging: bool
) -> None:
    port = str(free_port())
    ledger_port, broker_port = silent_ports if is_hanging else (free_port(), free_port())
    environment = {
        "DJANGO_SETTINGS_MODULE": "queuehub.settings",
        "DATABASE_URL": f"postgres://nobody@127.0.0.1:{ledger_port}/nothing",
        "REDIS_URL": f"redis://127.0.0.1:{broker_port}/0",
    }
    server = processes.start(
        sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port, env=environment
    )
    server.wait_for("Uvicorn running on")
    seconds = []
    for _ in range(3):  # after the first time, its questions may still be open; a busy machine may be late once
        begun = time.monotonic()
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
            assert answer.status == 200
        seconds.append(time.monotonic() - begun)
    assert sorted(seconds)[1] < 2
    families = parsed(text)
    assert value(families["queuehub_broker_up"]) == 0
    assert value(families["queuehub_ledger_up"]) == 0
    with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        assert answer.read() == b"ok"
