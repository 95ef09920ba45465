"""What the first page says is wrong: the sentence, how bad it is, and where it leads."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from dashboards.attention import Concern, concerns
from dashboards.queue_rows import QueueRow
from jobs.models import Queue
from tests.factories import make_job

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def snapshot(
    *, is_led: bool = True, is_broker_up: bool = True, workers: int = 2, silent: int = 0, **totals: Any
) -> dict[str, Any]:
    health = {
        "scheduler": {"is_up": is_led, "holder": "w1"},
        "broker": {"is_up": is_broker_up},
        "workers": {"count": workers, "silent_count": silent},
    }
    return {"health": health, "totals": {"queued": 0, "dead": 0, "is_dead_capped": False, **totals}}


def row(name: str = "mail", *, waited_seconds: float = 1, queue: Queue | None = None, **numbers: Any) -> QueueRow:
    figures: dict[str, Any] = {
        "queued": 5, "running": 0, "scheduled": 0, "retrying": 0, "busy_count": 1, "slot_count": 4, "worker_count": 1,
        "bars": [], "wait_p95_seconds": None,
    }  # fmt: skip
    oldest = NOW - timedelta(seconds=waited_seconds)
    return QueueRow(name=name, queue=queue, oldest_due_at=oldest, **{**figures, **numbers})


def told(content: dict[str, Any], *rows: QueueRow) -> list[Concern]:
    return concerns(content, rows, NOW)


@pytest.mark.fast
def test_a_healthy_site_is_not_alarming() -> None:
    assert told(snapshot(), row()) == []


@pytest.mark.fast
def test_what_no_page_can_repair_names_the_command() -> None:
    (scheduler,) = told(snapshot(is_led=False))
    assert (scheduler.level, scheduler.command) == ("bad", "manage.py jobs_scheduler")
    (worker,) = told(snapshot(workers=0, queued=5), row(worker_count=0))
    assert (worker.title, worker.command) == ("No worker runs", "manage.py jobs_worker")
    assert worker.detail.startswith("5 queued jobs wait until one does.")
    (worker,) = told(snapshot(workers=0))
    assert (worker.level, worker.detail) == ("warn", "Jobs wait until one does. Start one:")
    (idle,) = told(snapshot(), row(worker_count=0))
    assert (idle.title, idle.command) == ("No worker takes jobs from queue mail", "manage.py jobs_worker mail")


@pytest.mark.fast
@pytest.mark.parametrize(
    ("count", "silent", "level", "title"),
    [
        (1, 1, "bad", "The only worker is silent"),
        (12, 12, "bad", "All 12 workers are silent"),
        (12, 2, "warn", "2 of 12 workers are silent"),
    ],
)
def test_silent_workers_are_worst_when_no_other_is_left(count: int, silent: int, level: str, title: str) -> None:
    (concern,) = told(snapshot(workers=count, silent=silent))
    assert (concern.level, concern.title, concern.address) == (level, title, "/workers/")


@pytest.mark.fast
def test_a_pause_says_who_why_and_what_waits() -> None:
    queue = Queue(name="mail", paused_at=NOW - timedelta(hours=3), paused_by="ann", paused_reason="certificates")
    (pause,) = told(snapshot(), row(queue=queue, queued=1, worker_count=0, waited_seconds=9000))
    assert f"{pause.title}: {pause.detail}" == (
        "Queue mail is paused: ann paused it 3 h ago: “certificates”. 1 job waits."
    )
    assert (pause.level, pause.address, pause.permission) == ("warn", "/queues/mail/", "jobs.view_queue")


@pytest.mark.fast
def test_a_queue_is_behind_when_its_oldest_job_has_waited_long() -> None:
    assert told(snapshot(), row(waited_seconds=890)) == []
    (behind,) = told(snapshot(), row(waited_seconds=1800))
    assert behind.detail == "Its oldest job has waited for 30 min; 5 jobs wait, 1 of 4 slots busy."


def test_a_site_says_itself_when_a_queue_is_behind(settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "BEHIND_SECONDS": 60}
    assert told(snapshot(), row(waited_seconds=59)) == []
    assert [concern.title for concern in told(snapshot(), row(waited_seconds=61))] == ["Queue mail is behind"]


@pytest.mark.fast
def test_the_worst_comes_first_and_many_of_a_kind_are_counted() -> None:
    rows = [row(f"q{number}", waited_seconds=1800) for number in range(20)]
    found = told(snapshot(silent=1, is_broker_up=False, dead=10_000, is_dead_capped=True), *rows)
    assert [concern.title for concern in found] == [
        "The broker does not answer",
        "10,000+ dead letters",
        "1 of 2 workers is silent",
        "Queue q0 is behind",
        "Queue q1 is behind",
        "18 more queues are behind",
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_the_first_page_tells_it_and_leads_there_who_may_go(viewing: Client, client: Client) -> None:
    make_job("dead", task="tests.tasks.add", args=[1])
    page = viewing.get("/").content.decode()
    assert "No scheduler is at work" in page
    assert re.search(r"<b>1 dead letter</b>.*<a href=\"/failures/\">Failures", page)
    onlooker = User.objects.create_user("eve", is_staff=True)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(onlooker)
    page = client.get("/").content.decode()
    assert "1 dead letter" in page
    assert 'href="/failures/"' not in page
