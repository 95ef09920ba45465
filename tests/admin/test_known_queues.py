"""Queues that have run jobs."""

from typing import Any

import pytest

from jobs import known_queues
from jobs.events import Change, JobsSettled
from jobs.models import Job, Queue
from tests.factories import make_job


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the queues that tests before have used."""
    monkeypatch.setattr(known_queues, "_known", set())


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_ran_a_job_has_a_row() -> None:
    make_job("succeeded", task="tests.tasks.add", args=[1], queue="seldom")
    assert Queue.objects.filter(name="seldom", paused_at__isnull=True).exists()


@pytest.mark.django_db
def test_a_paused_queue_stays_paused(django_assert_num_queries: Any) -> None:
    Queue.objects.create(name="mail", paused_by="ann")
    settled = JobsSettled("w", (Change(Job().id, "t", "mail", "dead", "error", 1),))
    known_queues.remember(settled)
    assert Queue.objects.get(name="mail").paused_by == "ann"
    with django_assert_num_queries(0):
        known_queues.remember(settled)
