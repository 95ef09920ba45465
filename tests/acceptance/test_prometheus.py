"""A real Prometheus watches two web processes: its totals are the ledger's, and alerts fire and end in an outage."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from django.db import connection
from django.db.models import Count, QuerySet

from jobs.models import Attempt, Job, Schedule, Worker
from tests.acceptance import tasks
from tests.acceptance.ledger import all_finished
from tests.alerts.prometheus import Prometheus, Web
from tests.alerts.promtool import program
from tests.alerts.sources import RULES
from tests.faults.broker import Broker
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Processes, Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(480)]

Start = Callable[..., Running]
NOTHING = "tests.acceptance.tasks.nothing"
TOTALS = (
    "jobs_enqueued_total", "attempts_started_total", "attempts_finished_total", "jobs_finished_total", "retries_total",
    "jobs_rescued_total", "job_wait_seconds_count", "attempt_duration_seconds_count", "job_completion_seconds_count",
)  # fmt: skip
WORKS, NOTES, FAILURES = 9000, 400, 600
OUTAGE = {"QueueHubNoWorker", "QueueHubBrokerDown", "QueueHubSchedulerStalled", "QueueHubScheduleMissed"}


def counted(rows: "QuerySet[Job] | QuerySet[Attempt]", column: str) -> dict[str, float]:
    """Count rows of the ledger by a column."""
    return {value: float(number) for value, number in rows.order_by().values_list(column).annotate(n=Count("pk"))}


def by_label(prometheus: Prometheus, metric: str, label: str) -> dict[str, float]:
    """Return the sums that the documents tell to ask for, without those that are zero."""
    found = prometheus.values(f"sum by ({label}) (max without (instance, pod) ({metric})) > 0")
    return {dict(labels)[label]: value for labels, value in found.items()}


def assert_equals_the_ledger(prometheus: Prometheus) -> bool:
    assert by_label(prometheus, "queuehub_jobs_finished_total", "state") == counted(Job.objects.all(), "state")
    assert by_label(prometheus, "queuehub_attempts_finished_total", "outcome") == counted(
        Attempt.objects.all(), "outcome"
    )
    assert prometheus.value("sum(max without (instance, pod) (queuehub_jobs_enqueued_total))") == Job.objects.count()
    assert prometheus.value("sum(queuehub_jobs_enqueued_total)") == 2 * Job.objects.count()
    return True


def test_totals_over_kills_a_flush_and_restarts_are_the_ledger_s(
    pool: Start, scheduler: Start, journal: Journal, processes: Processes, tmp_path: Path, figures: Figures,
    redis_client: redis.Redis,
) -> None:  # fmt: skip
    program("prometheus")
    web = Web(processes, 2)
    prometheus = Prometheus(processes, tmp_path, web.targets, RULES.read_text(encoding="utf-8"))
    scheduler("a")
    pool("a", processes=2)
    second = pool("b", processes=2)
    Job.objects.enqueue_many(tasks.work, [(journal.path, f"work-{n}", 0.002) for n in range(WORKS)])
    Job.objects.enqueue_many(tasks.fail, [(journal.path, f"fail-{n}") for n in range(FAILURES)])
    eventually(lambda: journal.run_count() >= 200, 120)
    os.kill(Worker.objects.living().filter(node="a")[0].pid, signal.SIGKILL)
    web.restart(0)
    Job.objects.enqueue_many(tasks.hang_once, [(journal.path, f"note-{n}", 0.02) for n in range(NOTES)])
    eventually(lambda: journal.run_count() >= 500, 120)
    second.kill()
    redis_client.flushall()
    pool("c", processes=2)
    web.restart(1)
    all_finished(180, succeeded=WORKS + NOTES, dead=FAILURES)
    finished_at = time.monotonic()
    eventually(lambda: assert_equals_the_ledger(prometheus), 60)
    figures.add(
        jobs=Job.objects.count(),
        attempts_lost=Attempt.objects.filter(outcome="lost").count(),
        scrapes=prometheus.value("sum(count_over_time(up[10m]))") or 0,
        scrapes_failed=prometheus.value("sum(count_over_time((up == 0)[10m:1s]))") or 0,
        scrape_seconds_p95=prometheus.value("quantile(0.95, quantile_over_time(0.95, scrape_duration_seconds[10m]))")
        or 0,
        seconds_until_totals_were_equal=time.monotonic() - finished_at,
    )
    resets = {name: prometheus.value(f"max(resets(queuehub_{name}[10m]))") for name in TOTALS}
    assert resets == dict.fromkeys(TOTALS, 0.0), "a total went down"


def impatient(rules: str) -> str:
    """Return the shipped rules with two seconds for every wait; nothing else is changed."""
    return re.sub(r"for: \w+", "for: 2s", rules)


def insert_jobs(count: int) -> None:
    """Enqueue as a program without Django does: without a message on any broker."""
    with connection.cursor() as cursor:
        for _ in range(count):
            cursor.execute("INSERT INTO jobs_job (task, args) VALUES (%s, '[]')", [NOTHING])


@pytest.mark.one_ledger
def test_alerts_fire_in_an_outage_and_end_with_it(
    pool: Start, scheduler: Start, processes: Processes, tmp_path: Path, figures: Figures
) -> None:
    program("prometheus")
    broker = Broker(tmp_path / "valkey").start()
    try:
        processes.environment["REDIS_URL"] = broker.url
        web = Web(processes, 2)
        prometheus = Prometheus(processes, tmp_path, web.targets, impatient(RULES.read_text(encoding="utf-8")))
        Schedule.objects.create(name="tick", task=NOTHING, every_seconds=2)
        workers, leader = pool("a"), scheduler("a")
        eventually(lambda: prometheus.value("max(queuehub_scheduler_leader)") == 1, 60)
        eventually(lambda: not prometheus.firing(), 60, "an alert fires although all is well")

        def fires(name: str, since: float) -> None:
            eventually(lambda: name in prometheus.firing(), 120, f"{name} does not fire")
            figures.add(**{f"{name}_fired_after_seconds": time.monotonic() - since})

        begun = time.monotonic()
        workers.stop(40)
        insert_jobs(3)
        fires("QueueHubNoWorker", begun)
        assert prometheus.firing() == {"QueueHubNoWorker"}
        begun = time.monotonic()
        broker.stop()
        fires("QueueHubBrokerDown", begun)
        begun = time.monotonic()
        leader.stop(40)
        fires("QueueHubSchedulerStalled", begun)
        fires("QueueHubScheduleMissed", begun)
        assert prometheus.firing() == OUTAGE

        begun = time.monotonic()
        broker.start()
        scheduler("b")
        pool("b")
        eventually(lambda: not prometheus.firing(), 180, "an alert goes on although all is well again")
        figures.add(all_ended_after_seconds=time.monotonic() - begun)
        os.kill(Worker.objects.living().get().pid, signal.SIGKILL)
        fires("QueueHubWorkersLost", time.monotonic())
    finally:
        processes.kill()
        broker.stop()
