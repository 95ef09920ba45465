"""Requests that were not written by our own forms: forged, with further fields, out of turn, or leading elsewhere."""

import json
from typing import Any
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.models import AuditEntry, Job, Queue, Schedule
from tests.admin.conftest import page
from tests.dashboards.test_live import SessionOf
from tests.factories import fresh, make_job
from tests.security.wire import ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
CONFIRMED = {"confirmed": "yes", "reason": "because"}
ELSEWHERE = [
    "//evil.example/", "///evil.example", "https://evil.example/", "\\\\evil.example", "/\\evil.example",
    "javascript:alert(1)", "data:text/html,x", "https:evil.example", "http://testserver@evil.example/",
    "\t//evil.example", "%2F%2Fevil.example",
]  # fmt: skip


def row(job: Job) -> dict[str, Any]:
    return Job.objects.filter(pk=job.pk).values().get()


def version_of(client: Client, job: Job) -> str:
    return str(client.get(page("job", job.pk, "edit")).context["form"]["version"].value())


# -- forged ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_a_post_without_the_token_or_from_elsewhere_is_refused(operator: User, origin: str | None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    job = make_job("dead", task=ADD, args=[1])
    token = "t" * 32
    client.cookies["csrftoken"] = token
    # without an Origin the token is missing; with a wrong one even the right token does not help
    extra = {"csrfmiddlewaretoken": token} if origin else {}
    headers = {"Origin": origin} if origin else {}
    before = row(job)
    listed = {"action": "retry", "_selected_action": [str(job.pk)], "select_across": "0", **CONFIRMED, **extra}
    for address, form in [
        (page("job", job.pk, "verb", "retry"), {**CONFIRMED, **extra}),
        (page("job", job.pk, "edit"), {"args": "[2]", "kwargs": "{}", **extra}),
        (page("job"), listed),
        (page("deadletter"), listed),
        ("/admin/login/", {"username": "operator", "password": "operator", **extra}),
        ("/admin/logout/", extra),
    ]:
        answer = client.post(address, form, headers=headers)
        assert answer.status_code == 403, address
        assert b"This form has expired" in answer.content
    assert row(job) == before
    assert not AuditEntry.objects.exists()
    assert client.get("/").status_code == 200  # still logged in


def test_the_method_cannot_be_smuggled(operating: Client) -> None:
    job = make_job("dead", task=ADD, args=[1])
    before = row(job)
    operating.get(page("job", job.pk, "verb", "retry"), headers={"X-HTTP-Method-Override": "POST"})
    operating.get(page("job", job.pk, "verb", "retry"), {"_method": "POST", **CONFIRMED})
    assert row(job) == before


# -- further fields --------------------------------------------------------------------------------
FURTHER = {
    "state": "succeeded", "claim": "1", "claimed_at": "2020-01-01", "task": "tests.tasks.fail", "queue": "evil",
    "id": "00000000-0000-7000-8000-000000000000", "pk": "1", "max_attempts": "999", "priority": "100",
    "worker": "evil", "result": '"evil"', "attempt": "-1", "actor": "somebody", "is_superuser": "on",
    "run_after": "2030-01-01T00:00Z", "unique_key": "evil", "permission": "jobs.view_job",
}  # fmt: skip
MAY_DIFFER = {"state", "due_at", "finished_at", "failure_count", "loss_count", "reason", "published_at", "publish_seq"}


def test_a_retry_takes_no_further_field(operating: Client) -> None:
    job = make_job("dead", task=ADD, args=[1])
    before = row(job)
    operating.post(page("job", job.pk, "verb", "retry"), {**FURTHER, **CONFIRMED, "args": "[2]", "kwargs": "{}"})
    after = row(job)
    assert after["state"] == "queued"
    assert {name for name in after if after[name] != before[name]} <= MAY_DIFFER
    assert AuditEntry.objects.get().actor == "operator"


def test_an_edit_takes_arguments_and_nothing_else(operating: Client) -> None:
    job = make_job("dead", task=ADD, args=[1], kwargs={"b": 2})
    before = row(job)
    form = {"args": "[3]", "kwargs": '{"b": 4}', "reason": "r", "version": version_of(operating, job)}
    operating.post(page("job", job.pk, "edit"), {**FURTHER, **form})
    after = row(job)
    assert (after["state"], after["args"], after["kwargs"]) == ("queued", [3], {"b": 4})
    assert {name for name in after if after[name] != before[name]} <= MAY_DIFFER | {"args", "kwargs"}


def test_pauses_and_schedules_take_no_further_field(operating: Client, operator: User) -> None:
    Queue.objects.create(name="mail")
    schedule = Schedule.objects.create(name="census", task=ADD, args=[1], every_seconds=60)
    further = {**FURTHER, "paused_by": "somebody", "name": "evil", "cron": "* * * * *", "every_seconds": "1"}
    operating.post(page("queue", "mail", "verb", "pause"), {**further, **CONFIRMED})
    operating.post(page("schedule", schedule.pk, "verb", "disable"), {**further, **CONFIRMED})
    assert Queue.objects.get().paused_by == "operator"
    schedule.refresh_from_db()
    assert (schedule.name, schedule.task, schedule.cron, schedule.every_seconds) == ("census", ADD, "", 60)
    assert not schedule.is_enabled
    operator.refresh_from_db()
    assert not operator.is_superuser


# -- out of turn -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("verb", "state"),
    [
        *(("retry", state) for state in ("queued", "running", "succeeded", "scheduled", "retrying")),
        *(("discard", state) for state in ("queued", "running", "succeeded", "cancelled")),
        *(("cancel", state) for state in ("succeeded", "dead", "cancelled")),
    ],
)
def test_an_illegal_move_changes_nothing_and_says_why(operating: Client, verb: str, state: str) -> None:
    job = make_job(state, task=ADD, args=[1])
    before, audited = row(job), AuditEntry.objects.count()
    for address, form in [
        (page("job", job.pk, "verb", verb), CONFIRMED),
        (page("job"), {"action": verb, "_selected_action": [str(job.pk)], "select_across": "0", **CONFIRMED}),
    ]:
        said = operating.post(address, form, follow=True).content.decode()
        assert "1 skipped because" in said
        assert f"a {state} job cannot be" in said
    assert row(job) == before
    assert AuditEntry.objects.count() == audited


def test_a_succeeded_job_cannot_be_edited(operating: Client) -> None:
    job = make_job("succeeded", task=ADD, args=[1])
    before = row(job)
    form = {"args": "[2]", "kwargs": "{}", "version": "x"}
    said = operating.post(page("job", job.pk, "edit"), form, follow=True).content.decode()
    assert "a succeeded job cannot be retried" in said
    assert row(job) == before


HOSTILE_JSON = {
    "deep": "[" * 100_000 + "]" * 100_000,
    "unfinished": "[1",
    "no number": "[NaN]",
    "endless number": "[1e999]",
    "long number": "[" + "1" * 5000 + "]",
    "NUL": r'["\u0000"]',
    "large": json.dumps(["x" * 600_000]),
}


@pytest.mark.parametrize("text", list(HOSTILE_JSON.values()), ids=list(HOSTILE_JSON))
def test_hostile_json_in_an_edit_is_answered_in_words(operating: Client, text: str) -> None:
    job = make_job("dead", task=ADD, args=[1])
    form = {"args": text, "kwargs": "{}", "version": version_of(operating, job)}
    answer = operating.post(page("job", job.pk, "edit"), form)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert (fresh(job).state, fresh(job).args) == ("dead", [1])


# -- leading elsewhere -----------------------------------------------------------------------------
def lands_on(server: str, path: str, location: str) -> str:
    """Return where a browser goes: it drops tabs and reads a backslash as a slash."""
    return urljoin(server + path, location.replace("\t", "").replace("\n", "").replace("\\", "/"))


@pytest.mark.one_ledger
def test_no_redirect_leaves_the_site(web_server: str, operator: User, session_of: SessionOf) -> None:
    session = session_of(operator)
    job = make_job("dead", task=ADD, args=[1])
    verb = page("job", job.pk, "verb", "retry")
    redirect_count = 0
    for target in ELSEWHERE:
        quoted = target.replace("\t", "%09").replace("\\", "%5C")
        credentials = {"username": "operator", "password": "operator"}
        requests: list[tuple[str, dict[str, Any]]] = [
            ("/admin/login/", {"form": {**credentials, "next": target}}),
            (f"/admin/login/?next={quoted}", {"form": credentials}),
            (f"/admin/login/?next={quoted}", {"session": session}),
            (f"/admin/logout/?next={quoted}", {"session": "none", "form": {"next": target}}),
            (f"/?next={quoted}", {}),
            (f"//evil.example/%2e%2e/admin?next={quoted}", {}),
            (f"/{quoted}/admin", {"session": session}),
            (f"{verb}?next={quoted}", {"session": session, "form": {**CONFIRMED, "next": target}}),
            (f"/admin/jobs/job?next={quoted}", {"session": session, "headers": {"X-Forwarded-Host": "evil.example"}}),
        ]
        for path, request in requests:
            answer = ask(web_server, path, **request)
            if location := answer.headers.get("location"):
                redirect_count += 1
                assert lands_on(web_server, path, location).startswith(f"{web_server}/"), (path, location)
    assert redirect_count >= 5 * len(ELSEWHERE)


@pytest.mark.one_ledger
def test_a_wrong_host_is_refused(web_server: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", ""):
        assert ask(web_server, "/", headers={"Host": host}).status == 400
