"""Each page as a server sends it: who may have it, what it says, what it costs."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboards import recent, snapshot
from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job, Operation, Queue, Schedule, ScheduleRun, Statistic, Worker
from tests.dashboards.conftest import forget
from tests.factories import make_job, make_worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
PAGES = ("/", "/queues/", "/queues/mail/", "/workers/", "/schedules/", "/tasks/", f"/tasks/{ADD}/")
HOSTILE = "<script>alert(1)</script>"
QUERY_LIMIT = 24
"""Statements of a page, session and permissions included, however many rows it shows."""


@pytest.fixture
def mail(fresh_snapshot: None) -> str:
    """A queue with a job in each state, a running one among them, and with statistics."""
    for state in ("queued", "scheduled", "running", "retrying", "dead"):
        make_job(state, task=ADD, args=[1, 2], queue="mail")
    at = timezone.now().replace(second=0, microsecond=0)
    hours = {"minute": at, "all_min": at, "hour": at.replace(minute=0), "all_hour": at.replace(minute=0)}
    for period, minute_at in hours.items():
        queue, task = ("", "") if period.startswith("all") else ("mail", ADD)
        Statistic.objects.create(
            period=period, minute_at=minute_at, queue=queue, task=task,
            counts={"success": 96, "error": 4, "state_succeeded": 96, "state_dead": 4},
            histograms={name: [10.0, [0, 0, 0, 0, 0, 100, *[0] * 10]] for name in ("wait", "run", "completion")},
        )  # fmt: skip
    return "mail"


def text_of(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_without_a_script_or_style_of_its_own(viewing: Client, mail: str, path: str) -> None:
    page = text_of(viewing, path)
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick=" not in page
    assert page.count("<script") == page.count("<script src=") + page.count('<script type="module" src=')
    assert page.count("<h1") == 1
    assert 'aria-current="page"' in page


@pytest.mark.parametrize("path", PAGES)
def test_htmx_gets_the_live_part_alone_and_no_login(viewing: Client, client: Client, mail: str, path: str) -> None:
    part = text_of(viewing, path, HX_Request="true")
    assert "<html" not in part
    assert 'id="page"' not in part
    assert client.get(path, headers={"HX-Request": "true"}).status_code == 401
    assert client.get(path).status_code == 302


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/queues/", "view_queue"),
        ("/workers/", "view_worker"),
        ("/schedules/", "view_schedule"),
        ("/tasks/", "view_job"),
    ],
)
def test_a_page_and_its_link_need_their_permission(viewer: User, path: str, permission: str) -> None:
    viewer.user_permissions.remove(viewer.user_permissions.get(codename=permission))
    client = Client()
    client.force_login(viewer)
    assert client.get(path).status_code == 403
    if permission != "view_job":
        assert f'href="{path}"' not in text_of(client, "/")


def test_pages_name_what_is_wrong_with_a_queue(viewing: Client, mail: str) -> None:
    Worker.objects.all().delete()
    assert "no worker" in text_of(viewing, "/queues/")
    operate.pause_queue("mail", actor="ann", reason=HOSTILE)
    snapshot.forget()
    page = text_of(viewing, "/queues/mail/")
    assert "Paused by <b>ann</b>" in page
    assert "&lt;script&gt;" in page
    assert HOSTILE not in page


def test_a_queue_shows_its_busy_slots_and_recent_waits(viewing: Client, mail: str) -> None:
    run = make_job("running", task=ADD, args=[1, 2], queue="mail")
    Worker.objects.update(thread_count=4, runs=[{"job": str(run.pk), "seconds": 12.0}])
    snapshot.forget()
    page = text_of(viewing, "/queues/")
    assert "1/4" in page
    assert "0.2 s" in page
    assert re.search(r"<title>\d+ jobs finished in the last 5 minutes</title>", page)
    assert ADD in text_of(viewing, "/workers/")


def test_the_tasks_page_counts_runs_and_failures(viewing: Client, mail: str) -> None:
    page = text_of(viewing, "/tasks/?q=tests.tasks.add")
    assert "5.0%" in page
    assert text_of(viewing, f"/tasks/{ADD}/?span=1h").count("100") >= 1
    assert viewing.get("/tasks/no.such.task/").status_code == 404


def test_the_chart_gives_points_of_each_range_and_a_sentence(viewing: Client, mail: str) -> None:
    for span, most in {"15m": 15, "1h": 60, "6h": 180, "24h": 288, "7d": 168}.items():
        found = viewing.get(f"/series.json?range={span}").json()
        assert len(found["at"]) == len(found["lines"][0]) == most
        assert "101 jobs finished" in found["text"]
    waits = viewing.get("/series.json?measure=wait&queue=mail").json()
    assert waits["labels"] == ["p50", "p95", "p99"]
    assert 0.1 < waits["lines"][1][-1] <= 0.25
    assert viewing.get("/series.json?range=1y").status_code == 400


def test_schedules_show_how_their_last_runs_ended(viewing: Client) -> None:
    nightly = Schedule.objects.create(name="nightly", task=ADD, cron="0 3 * * *", next_at=timezone.now())
    now = timezone.now()
    dead, done = make_job("dead", task=ADD, args=[1, 2]), make_job("succeeded", task=ADD, args=[1, 2])
    for age in range(70):
        job_id = (dead.pk, done.pk, None)[min(age, 2)]
        ScheduleRun.objects.create(schedule=nightly, due_at=now - timedelta(days=age), job_id=job_id)
    page = text_of(viewing, "/schedules/")
    assert "At 03:00 <" in page
    assert page.count('class="run ') == 60
    assert page.count('class="run dead"') == page.count('class="run succeeded"') == 1
    assert "1 dead" in page


@pytest.mark.parametrize("path", PAGES)
def test_the_statements_of_a_page_do_not_grow_with_its_rows(operating: Client, mail: str, path: str) -> None:
    def count() -> int:
        forget()
        with CaptureQueriesContext(connection) as captured:
            assert operating.get(path).status_code == 200
        for query in captured.captured_queries:
            assert "OFFSET 1" not in query["sql"].replace("OFFSET 59", "")
        return len(captured)

    few = count()
    for number in range(12):
        make_job("queued", task=ADD, args=[1, 2], queue=f"queue-{number}")
        make_worker(f"more-{number}")
        Schedule.objects.create(name=f"schedule-{number}", task=ADD, every_seconds=60)
        AuditEntry.objects.create(actor="ann", action="pause", target="queue mail")
    assert count() <= few + 1 <= QUERY_LIMIT


def test_buttons_stand_only_where_they_would_work(viewing: Client, operating: Client, mail: str) -> None:
    Schedule.objects.create(name="nightly", task=ADD, cron="0 3 * * *")
    for path in ("/queues/", "/queues/mail/", "/schedules/", "/workers/"):
        assert 'name="reason"' not in text_of(viewing, path)
    for path in ("/queues/", "/queues/mail/", "/schedules/", "/workers/"):
        assert 'name="reason"' in text_of(operating, path)


def test_a_queue_is_paused_and_resumed_with_a_reason(operating: Client, operator: User, mail: str) -> None:
    answer = operating.post("/queues/mail/pause/", {"reason": "provider down", "back": "/queues/mail/"})
    assert answer.headers["Location"] == "/queues/mail/"
    assert Queue.objects.get(name="mail").paused_reason == "provider down"
    assert "Queue mail: paused." in text_of(operating, "/queues/mail/")
    answer = operating.post("/queues/mail/resume/", {"back": "https://evil.example/"})
    assert answer.headers["Location"] == "/queues/"
    assert Queue.objects.get(name="mail").paused_at is None
    assert list(AuditEntry.objects.order_by("id").values_list("actor", "action", "reason")) == [
        ("operator", "pause", "provider down"), ("operator", "resume", ""),
    ]  # fmt: skip


def test_a_queue_is_emptied_after_a_look_at_how_many(operating: Client, viewing: Client, mail: str) -> None:
    assert 'value="empty"' not in text_of(viewing, "/queues/mail/")
    page = text_of(operating, "/queues/mail/")
    form = dict(re.findall(r'name="(verb|scope|q)" value="([^"]*)"', page))
    answer = operating.post("/operations/preview/", form)
    assert answer.status_code == 302
    operation = Operation.objects.get()
    assert (operation.verb, operation.possible_count) == ("empty", 3)
    assert Job.objects.queued().exists()


def test_a_schedule_is_run_paused_and_resumed(operating: Client) -> None:
    nightly = Schedule.objects.create(name="nightly", task=ADD, args=[1, 2], cron="0 3 * * *")
    for verb, expected in {"run": "started", "pause": "disabled", "resume": "enabled"}.items():
        answer = operating.post(f"/schedules/{nightly.pk}/{verb}/", follow=True)
        assert f"Schedule nightly: {expected}." in answer.content.decode()
    assert operating.post("/schedules/999999/run/").status_code == 404


def test_a_schedule_is_edited_and_every_mistake_is_named(operating: Client) -> None:
    nightly = Schedule.objects.create(name="nightly", task=ADD, args=[1, 2], cron="0 3 * * *", timezone="UTC")
    page = f"/schedules/{nightly.pk}/edit/"
    shown = operating.get(page).context["form"]
    data = {name: shown[name].value() or "" for name in shown.fields} | {"every_seconds": "", "priority": ""}
    assert "cannot be read" in operating.post(page, data | {"cron": "61 * * * *"}).content.decode()
    assert "nothing differs" in operating.post(page, data).content.decode()
    assert "JSON" in operating.post(page, data | {"args": "[1"}).content.decode()
    answer = operating.post(page, data | {"cron": "*/5 * * * *", "args": "[3, 4]", "reason": "more often"}, follow=True)
    assert "Schedule nightly: edited." in answer.content.decode()
    nightly.refresh_from_db()
    assert (nightly.cron, nightly.args, nightly.is_edited, nightly.next_at) == ("*/5 * * * *", [3, 4], True, None)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason, entry.before["cron"], entry.after["cron"]) == (
        "edit", "more often", "0 3 * * *", "*/5 * * * *",
    )  # fmt: skip
    assert "somebody has changed it" in operating.post(page, data).content.decode()


def test_arguments_of_a_schedule_are_not_shown_to_who_may_not_see_them(operator: User) -> None:
    nightly = Schedule.objects.create(name="nightly", task=ADD, args=["secret-word"], cron="0 3 * * *")
    operator.user_permissions.remove(operator.user_permissions.get(codename="view_payload"))
    client = Client()
    client.force_login(operator)
    page = text_of(client, f"/schedules/{nightly.pk}/edit/")
    assert "secret-word" not in page
    assert 'name="args"' not in page


def test_a_pool_is_drained_and_then_stopped(operating: Client, mail: str) -> None:
    assert "drain-pool-1" in text_of(operating, "/workers/")
    for verb, said in {"drain": "draining", "stop": "stopping"}.items():
        answer = operating.post(f"/workers/pool-1/{verb}/", follow=True).content.decode()
        assert f"Pool pool-1: {said}." in answer
    assert "drain-pool-1" not in text_of(operating, "/workers/")
    assert "left as it is" in operating.post("/workers/pool-1/stop/", follow=True).content.decode()


@pytest.mark.parametrize("path", ["/queues/mail/pause/", "/schedules/{}/run/", "/workers/pool-1/stop/"])
def test_verbs_refuse_who_may_only_look_and_every_other_method(viewing: Client, client: Client, path: str) -> None:
    path = path.format(Schedule.objects.create(name="nightly", task=ADD, every_seconds=60).pk)
    assert viewing.get(path).status_code == 405
    assert viewing.post(path).status_code == 403
    assert AuditEntry.objects.get().result == "refused"
    assert client.post(path).status_code == 401
    assert Client(enforce_csrf_checks=True).post(path).status_code == 403


def test_a_ledger_that_is_away_is_said_so(viewing: Client, monkeypatch: Any) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(recent, "read", fail)
    forget()
    assert "The ledger does not answer" in text_of(viewing, "/")
