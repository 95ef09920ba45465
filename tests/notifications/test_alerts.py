"""People are told of what is wrong with the site, when it begins and while it lasts."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.errors import TransportUnavailable
from jobs.models import Job, Notice, Queue, Worker
from jobs.notifications import alerts, notices
from jobs.transports import get_transport
from tests.factories import make_job, make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mailed(notify: Any) -> None:
    notify(emails=["ops@example.com"])


def told() -> list[str]:
    """Watch, tell, and return the titles of all alerts so far."""
    alerts.watch()
    notices.send_due()
    jobs = Job.objects.filter(task="jobs.notifications.tasks.send_email").order_by("id")
    return [job.args[0]["title"] for job in jobs if job.args[0]["kind"] == "alert"]


def pass_time(seconds: float = 901) -> None:
    for notice in Notice.objects.exclude(told_at=None):
        notice.told_at -= timedelta(seconds=seconds)
        notice.save()


def waiting(queue: str = "mail", seconds: float = 400) -> None:
    job = make_job(queue=queue)
    Job.objects.filter(id=job.id).update(due_at=timezone.now() - timedelta(seconds=seconds))


def pause(queue: str, seconds: float) -> None:
    Queue.objects.update_or_create(
        name=queue,
        defaults={"paused_at": timezone.now() - timedelta(seconds=seconds), "paused_by": "ann", "paused_reason": "why"},
    )


def test_all_is_well() -> None:
    assert told() == []
    assert not Notice.objects.exists()


def test_a_queue_with_work_and_without_a_worker_is_told_and_again_while_it_lasts() -> None:
    waiting()
    assert told() == ["No worker serves the queue mail: 1 job waits"]
    assert len(told()) == 1
    pass_time()
    assert len(told()) == 2
    make_worker()
    pass_time()
    assert len(told()) == 2


def test_what_is_right_again_is_not_told_later() -> None:
    waiting()
    told()
    alerts.watch()
    make_worker()
    pass_time()
    assert len(told()) == 1
    assert Notice.objects.get().pending_count == 0


@pytest.mark.parametrize("well", ["young", "served", "paused", "own", "off"])
def test_a_queue_that_only_waits_is_not_told(well: str, notify: Any) -> None:
    waiting("notifications" if well == "own" else "mail", seconds=200 if well == "young" else 400)
    if well == "served":
        make_worker()
    if well == "paused":
        pause("mail", 10)
    if well == "off":
        notify(emails=["ops@example.com"], unserved_seconds=0)
    assert told() == []


def test_a_queue_that_was_paused_for_long_is_told_with_who_and_why() -> None:
    pause("mail", 3700)
    pause("fast", 3500)
    pause("notifications", 9999)
    assert told() == ["The queue mail is still paused"]
    details = Notice.objects.get().details
    assert (details["paused_by"], details["paused_reason"], details["paused_seconds"] // 100) == ("ann", "why", 37)


def test_lost_workers_are_told_once_and_counted() -> None:
    for name in ("w1", "w2"):
        make_worker(name)
        lifecycle.lose_worker(name)
    assert told() == ["2 workers were lost; what ran there goes on elsewhere"]
    assert sorted(Notice.objects.get().details["workers"]) == ["w1", "w2"]
    assert len(told()) == 1
    make_worker("w3")
    lifecycle.lose_worker("w3")
    assert len(told()) == 1


def test_a_worker_that_was_lost_just_after_people_were_told_is_told_next_time() -> None:
    for name in ("w1", "w2"):
        make_worker(name)
        lifecycle.lose_worker(name)
        told()
    now = timezone.now()
    for name, seconds in (("w1", 910), ("w2", 903)):
        Worker.objects.filter(id=name).update(ended_at=now - timedelta(seconds=seconds))
    Notice.objects.update(told_at=now - timedelta(seconds=905))
    assert told()[1:] == ["1 worker was lost; what ran there goes on elsewhere"]
    assert Notice.objects.get().details["workers"] == ["w2"]
    pass_time()
    Worker.objects.update(ended_at=now - timedelta(seconds=2000))
    assert len(told()) == 2


def test_a_broker_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> float:
        raise TransportUnavailable("connection refused")

    monkeypatch.setattr(get_transport(), "ping", away)
    assert told() == ["The broker does not answer: work goes on, more slowly"]


def test_alerts_go_first_and_are_not_held_up_by_a_storm_of_dead_letters(notify: Any) -> None:
    notify(emails=["ops@example.com"], most_per_interval=1)
    now = timezone.now()
    for letter in "abc":
        details = {"exception_class": "E", "message": "m", "task": "t", "fingerprint": letter}
        Notice.objects.create(
            key=f"dead:{letter}", kind="dead_letters", pending_count=1, first_at=now, last_at=now, details=details
        )
    waiting()
    alerts.watch()
    assert notices.send_due() == 2
    kinds = [job.args[0]["kind"] for job in Job.objects.filter(queue="notifications").order_by("id")]
    assert kinds == ["alert", "dead_letters"]


def test_nothing_is_watched_while_nobody_is_to_be_told(notify: Any, django_assert_num_queries: Any) -> None:
    notify()
    with django_assert_num_queries(0):
        assert (alerts.watch(), notices.send_due()) == (0, 0)
