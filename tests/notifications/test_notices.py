"""People are told of dead letters once in an interval per fingerprint; what comes in between is counted."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from jobs.models import Failure, Job, Notice
from jobs.notifications import gathering, notices
from jobs.testing import run_jobs
from jobs.transports.memory import MemoryTransport
from tests.factories import make_job
from tests.notifications.failing import fail

pytestmark = pytest.mark.django_db
TASK = "jobs.notifications.tasks.send_email"


@pytest.fixture(autouse=True)
def mailed(notify: Callable[..., None]) -> None:
    notify(emails=["ops@example.com"])


def sent() -> "list[dict[str, Any]]":
    """Return the notices of all jobs that send, oldest first."""
    return [job.args[0] for job in Job.objects.filter(task=TASK).order_by("id")]


def pass_time(seconds: float = 901) -> None:
    """Let so much time have passed since everybody was told."""
    for notice in Notice.objects.exclude(told_at=None):
        notice.told_at -= timedelta(seconds=seconds)
        notice.save()


def test_the_first_dead_letter_is_told_at_once_with_all_that_repairs_it() -> None:
    dead = fail("no luck 1", queue="mail", tags=["vip"])
    gathering.gather()
    assert notices.send_due() == 1
    (notice,) = sent()
    assert (notice["kind"], notice["count"], notice["told_before_at"]) == ("dead_letters", 1, None)
    assert notice["title"] == f"1 dead letter: shop.Error in {dead.task}"
    assert notice["details"] == {
        "fingerprint": dead.fingerprint, "task": dead.task, "queue": "mail", "attempt": 1, "tags": ["vip"],
        "job_id": str(dead.id), "exception_class": "shop.Error", "message": "no luck 1", "frame": dead.task,
    }  # fmt: skip
    job = Job.objects.get(task=TASK)
    assert (job.queue, job.tags, job.max_attempts) == ("notifications", ["dead_letters"], 8)
    assert job.expires_at is not None


def test_what_dies_within_the_interval_is_counted_in_the_next_notice() -> None:
    fail("no luck 0")
    gathering.gather()
    notices.send_due()
    for number in range(1, 6):
        fail(f"no luck {number}")
        gathering.gather()
        assert notices.send_due() == 0
    pass_time(890)
    assert notices.send_due() == 0
    pass_time(20)
    assert notices.send_due() == 1
    assert [notice["count"] for notice in sent()] == [1, 5]
    assert sent()[1]["told_before_at"] is not None
    assert sent()[1]["first_at"] < sent()[1]["last_at"]
    pass_time()
    assert notices.send_due() == 0


def test_each_fingerprint_has_an_interval_of_its_own() -> None:
    for message in ("no luck", "bad luck", "no luck"):
        fail(message)
    gathering.gather()
    assert notices.send_due() == 2
    assert sorted(notice["count"] for notice in sent()) == [1, 2]


def test_a_retry_is_told_to_nobody_and_a_death_that_an_operator_has_seen_to_neither() -> None:
    fail(attempts=3)
    revived = fail("bad luck")
    Job.objects.filter(id=revived.id).update(state="queued", finished_at=None)
    gathering.gather()
    assert (notices.send_due(), Notice.objects.count()) == (0, 0)


def test_a_storm_of_different_failures_is_told_in_part_and_the_rest_later(notify: Any) -> None:
    notify(emails=["ops@example.com"], most_per_interval=3)
    for letter in "abcde":
        fail(f"luck {letter}")
    gathering.gather()
    assert (notices.send_due(), notices.send_due()) == (3, 0)
    fail("luck d")
    gathering.gather()
    pass_time()
    assert (notices.send_due(), notices.send_due()) == (2, 0)
    assert [notice["count"] for notice in sent()] == [1, 1, 1, 2, 1]


def test_a_notification_that_fails_is_told_to_nobody_and_stays_a_dead_letter(notify: Any) -> None:
    notify(webhook_url="http://127.0.0.1:9/", webhook_secret="x" * 16)
    fail()
    gathering.gather()
    assert notices.send_due() == 1
    (sending,) = run_jobs()
    assert (sending.state, sending.attempt) == ("dead", 1)
    assert "not on the public Internet" in sending.attempts.get().message
    assert gathering.gather() == 1
    pass_time()
    assert notices.send_due() == 0
    assert Notice.objects.count() == 1


def test_every_way_that_is_configured_gets_a_job_of_its_own(notify: Any) -> None:
    notify(webhook_url="http://127.0.0.1:9/", webhook_secret="x" * 16, emails=["a@b"], queue="pager")
    fail()
    gathering.gather()
    assert notices.send_due() == 1
    jobs = Job.objects.filter(queue="pager")
    assert {job.task.rpartition(".")[2] for job in jobs} == {"send_webhook", "send_email"}


def test_nothing_is_counted_while_nobody_is_to_be_told(notify: Any) -> None:
    notify()
    fail()
    gathering.gather()
    notify(emails=["ops@example.com"])
    assert (gathering.gather(), notices.send_due(), Notice.objects.count()) == (0, 0, 0)


def test_an_odd_job_and_an_odd_message_make_one_line_of_a_title() -> None:
    job = make_job()
    now = timezone.now()
    Job.objects.filter(id=job.id).update(
        state="dead", reason="a\nb\x1b[31m", finished_at=now, published_at=None, tags={"not": "a list"}, fingerprint="f"
    )
    Failure.objects.create(
        failed_at=now, fingerprint="f", exception_class="", message="a\nb\x1b[31m", frame="", task=job.task,
        job_id=job.id,
    )  # fmt: skip
    gathering.gather()
    notices.send_due()
    assert sent()[0]["title"] == f"1 dead letter: a\\nb\\x1b[31m in {job.task}"


def test_a_link_leads_to_the_failure(notify: Any) -> None:
    notify(emails=["ops@example.com"], failure_url="https://queuehub.example.com/failures/{fingerprint}/")
    dead = fail()
    gathering.gather()
    notices.send_due()
    assert sent()[0]["url"] == f"https://queuehub.example.com/failures/{dead.fingerprint}/"


def test_old_notices_are_deleted_once_they_are_told() -> None:
    for message in ("luck a", "luck b"):
        fail(message)
    gathering.gather()
    Notice.objects.update(last_at=timezone.now() - timedelta(days=31))
    assert notices.delete_old() == 0
    notices.send_due()
    fail("luck b")
    gathering.gather()
    assert (notices.delete_old(), Notice.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_tell_once(transport: MemoryTransport) -> None:
    for message in ("luck a", "luck b", "luck c"):
        fail(message)
    gathering.gather()
    barrier, counts = Barrier(2), []

    def send() -> None:
        barrier.wait()
        counts.append(notices.send_due())
        connections.close_all()

    threads = [Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 3
    assert len(sent()) == 3


@pytest.mark.django_db(transaction=True)
def test_a_scheduler_that_dies_before_the_commit_neither_tells_nor_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    fail()
    gathering.gather()

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit(1)

    with monkeypatch.context() as patch:
        patch.setattr(Notice, "save", die)  # behind the enqueue
        with pytest.raises(SystemExit):
            notices.send_due()
    assert sent() == []
    assert notices.send_due() == 1
    assert [notice["count"] for notice in sent()] == [1]
