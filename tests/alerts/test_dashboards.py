"""A real Prometheus scrapes two web processes: every panel and recording rule has data, and nothing is doubled."""

import re
from pathlib import Path

import pytest

from jobs import lifecycle
from jobs.lifecycle import operate
from jobs.models import Job
from jobs.states import Outcome
from jobs.transports import get_transport
from tests.alerts.prometheus import Prometheus, Web
from tests.alerts.promtool import program
from tests.alerts.sources import DASHBOARDS, RULES, documented, objectives, panels, variables
from tests.factories import claim, ended, make_job
from tests.support import Processes, eventually

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger, pytest.mark.usefixtures("live_database", "redis_client")]

ADD = "tests.tasks.add"
VARIABLES = {"$job": "queuehub", "$queue": ".*", "$task": ".*", "$__rate_interval": "1m"}


def work() -> None:
    """Let jobs end in every way, and operators act."""
    for state in ("succeeded", "succeeded", "dead", "retrying", "cancelled", "queued"):
        make_job(state, task=ADD, args=[1], queue="mail")
    failed = claim(make_job(task=ADD, args=[1], queue="mail"))
    lifecycle.settle([ended(failed, Outcome.ERROR, delay_seconds=3600.0, exception_class="ValueError")])
    worker = f"worker-of-{failed.job_id}"  # a worker that is lost never claims again
    claim(make_job(task=ADD, args=[1], queue="mail"), worker)
    lifecycle.lose_worker(worker, remains=None)
    operate.revive([make_job("dead", task=ADD, args=[1], queue="mail").id], actor="ann")
    operate.pause_queue("bulk", actor="ann", reason="the provider is down")
    operate.resume_queue("bulk", actor="ann")


def filled(query: str) -> str:
    """Return a panel's query with all variables replaced."""
    text = re.sub(r"\$\w+", lambda found: VARIABLES[found[0]], query)
    assert "$" not in text
    return text


def test_every_query_has_data_and_no_web_process_counts_twice(processes: Processes, tmp_path: Path) -> None:
    program("prometheus")
    web = Web(processes, 2)
    work()
    prometheus = Prometheus(processes, tmp_path, web.targets, RULES.read_text(encoding="utf-8"), objectives())
    finished = 'sum by (instance) (queuehub_jobs_finished_total{state!="dead"})'
    for _ in range(3):
        count = Job.objects.filter(state__in=["succeeded", "cancelled"]).count()
        eventually(lambda count=count: list(prometheus.values(finished).values()) == [count] * 2, 60)
        work()
    eventually(lambda: list(prometheus.values(finished).values()) == [count + 3] * 2, 60)

    once = 'sum(max without (instance, pod) (queuehub_jobs_finished_total{state!="dead"}))'
    assert prometheus.value(once) == count + 3
    assert prometheus.value('sum(queuehub_jobs_finished_total{state!="dead"})') == 2 * (count + 3)
    queued = Job.objects.filter(state="queued").count()
    assert prometheus.value('sum(max without (instance, pod) (queuehub_queue_jobs{state="queued"}))') == queued

    shown = [(f"{path.name}: {title}", filled(query)) for path in DASHBOARDS for title, query in panels(path)]
    shown += documented()
    assert len(shown) > 50
    assert [name for name, query in shown if not prometheus.values(query)] == []

    offered = {
        (path.stem, name): prometheus.label_values(label, filled(selector))
        for path in DASHBOARDS
        for name, selector, label in variables(path)
    }
    assert {"bulk", "mail"} <= set(offered.pop(("queue", "queue")))
    assert offered.pop(("queue", "task")) == [ADD]
    assert offered == {("overview", "job"): ["queuehub"], ("queue", "job"): ["queuehub"]}

    eventually(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), 30, "a rule fails")
    recorded = {rule["name"] for rule in prometheus.rules() if rule["type"] == "recording"}
    eventually(lambda: not [name for name in recorded if not prometheus.values(name)], 60, "recorded nothing")
    get_transport().close()
