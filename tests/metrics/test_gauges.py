"""Gauges say how things are at the scrape."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import Metric

from dashboards.metrics import page
from jobs.lifecycle import operate
from jobs.models import Job, Schedule, SchedulerLease, Worker
from jobs.models.worker import WorkerState
from jobs.transports import get_transport
from tests.factories import make_job, make_worker
from tests.metrics.scraping import scraped, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"


def by_state(family: Metric) -> dict[str, float]:
    return {sample.labels["state"]: sample.value for sample in family.samples}


def test_queues_tell_who_serves_them_how_long_they_wait_and_that_they_are_paused() -> None:
    job = make_job(task=ADD, args=[1], queue="mail")
    Job.objects.filter(id=job.id).update(due_at=timezone.now() - timedelta(hours=1))
    make_worker("w1")
    Worker.objects.filter(id="w1").update(queues=["post"])
    operate.pause_queue("mail", actor="test")
    families = scraped()
    assert 3600 <= value(families["queuehub_queue_oldest_job_age_seconds"], queue="mail") < 3700
    assert value(families["queuehub_queue_oldest_running_seconds"], queue="mail") == 0
    told = {name: value(families["queuehub_queue_paused"], queue=name) for name in ("mail", "post")}
    assert told == {"mail": 1, "post": 0}
    told = {name: value(families["queuehub_queue_workers"], queue=name) for name in ("mail", "post")}
    assert told == {"mail": 0, "post": 1}


def test_workers_and_slots_tell_silence_and_losses() -> None:
    for name in ("good", "ending", "silent", "lost", "lost long ago"):
        make_worker(name)
    now = timezone.now()
    Worker.objects.filter(id="good").update(thread_count=3, runs=[{"job": "x", "seconds": 1}])
    Worker.objects.filter(id="ending").update(state=WorkerState.STOPPING)
    Worker.objects.filter(id="silent").update(heartbeat_at=now - timedelta(minutes=5))
    Worker.objects.filter(id__startswith="lost").update(state=WorkerState.LOST, ended_at=now)
    Worker.objects.filter(id="lost long ago").update(ended_at=now - timedelta(hours=1))
    families = scraped()
    assert by_state(families["queuehub_workers"]) == {"active": 1, "stopping": 1, "silent": 1, "lost": 1}
    assert by_state(families["queuehub_worker_slots"]) == {"busy": 1, "idle": 2}
    assert value(families["queuehub_worker_heartbeat_age_max_seconds"]) >= 300


def test_the_scheduler_tells_who_leads_and_what_waits_for_it() -> None:
    families = scraped()
    assert value(families["queuehub_scheduler_leader"]) == value(families["queuehub_scheduler_lag_seconds"]) == 0
    now = timezone.now()
    SchedulerLease.objects.create(
        name="scheduler", holder="s1", renewed_at=now, expires_at=now + timedelta(hours=1), acted_at=now
    )
    Schedule.objects.create(name="late", task=ADD, every_seconds=60, next_at=now - timedelta(minutes=10))
    Schedule.objects.create(
        name="off", task=ADD, every_seconds=60, next_at=now - timedelta(days=1), is_enabled=False
    )
    families = scraped()
    assert value(families["queuehub_scheduler_leader"]) == 1
    assert 600 <= value(families["queuehub_scheduler_lag_seconds"]) < 700


def test_jobs_whose_messages_vanished_are_drift() -> None:
    jobs = [make_job(task=ADD, args=[1], queue="mail") for _ in range(3)]
    assert all(job.published_at for job in jobs)
    assert value(scraped()["queuehub_ledger_drift_jobs"], queue="mail") == 0
    get_transport().lose_all()  # type: ignore[attr-defined] # of the one in memory
    assert value(scraped()["queuehub_ledger_drift_jobs"], queue="mail") == 3


def test_a_large_ledger_is_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    make_job("succeeded", task=ADD, args=[1], queue="mail")
    assert not page.ledger_page().is_large
    monkeypatch.setattr(page, "MANY_SERIES", 0)
    assert page.ledger_page().is_large
