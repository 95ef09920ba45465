"""The page of one job as a server sends it, and what its buttons do."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboards.attempt_rows import own_frames
from jobs.lifecycle import operate
from jobs.models import Attempt, AuditEntry, Job
from tests.dashboards.conftest import forget
from tests.factories import fresh, make_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
FAIL = "tests.tasks.fail"
HOSTILE = "<img src=x onerror=alert(1)>"
QUERY_LIMIT = 36
"""Statements of the page, those included that on PostgreSQL limit the time of a search."""
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/billing/charge.py", line 12, in pay
    send(order)
    ~~~~^^^^^^^
  File "/usr/lib/python3/site-packages/requests/api.py", line 59, in request
    return session.request(method=method, url=url, **kwargs)
  File "/usr/lib/python3/site-packages/requests/sessions.py", line 589, in request
    resp = self.send(prep, **send_kwargs)
requests.exceptions.Timeout: no answer in 30 s
"""


def text_of(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def test_the_page_says_what_happened_and_shows_own_frames_first(operating: Client) -> None:
    dead = make_job("dead", task=ADD, args=[4321], kwargs={"b": 2})
    Attempt.objects.filter(job=dead).update(
        traceback=TRACEBACK, exception_class="requests.exceptions.Timeout", message=HOSTILE,
        log="0.01  asked\nno answer",
    )  # fmt: skip
    page = text_of(operating, f"/jobs/{dead.pk}/")
    assert "It died" in page
    assert "4321" in page
    assert "billing/charge.py" in page
    assert "2 frames of libraries" in page
    assert "Full traceback" in page
    assert "asked\nno answer" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert HOSTILE not in page
    assert page.count("<h1") == 1
    assert " style=" not in page
    assert operating.get(f"/jobs/{uuid4()}/").status_code == 404


def test_payload_is_masked_for_those_who_may_not_see_it(viewing: Client, operating: Client) -> None:
    job = make_job("dead", task=ADD, args=[1])
    path = f"/jobs/{job.pk}/"
    Job.objects.filter(pk=job.pk).update(kwargs={"api_token": "hush-hush"}, result={"secret": "psst"})
    AuditEntry.objects.create(
        actor="ben", action="edit", target=f"job {job.pk}", before={"args": ["other-secret"]}, after={"args": ["x"]}
    )
    hidden, shown = text_of(viewing, path), text_of(operating, path)
    for secret in ("hush-hush", "psst", "other-secret"):
        assert secret not in hidden
        assert secret in shown
    assert "secrets masked" in hidden


def test_the_page_names_why_a_job_does_not_run(viewing: Client) -> None:
    job = make_job("queued", task=ADD, args=[1], queue="mail")
    assert "No living worker listens to queue mail" in text_of(viewing, f"/jobs/{job.pk}/")
    operate.pause_queue("mail", actor="ann", reason=HOSTILE)
    page = text_of(viewing, f"/jobs/{job.pk}/", HX_Request="true")
    assert "was paused by ann" in page
    assert HOSTILE not in page


@pytest.mark.parametrize(
    ("state", "verb", "form", "expected", "said"),
    [
        ("dead", "retry", {}, "queued", "Job retried."),
        ("dead", "discard", {}, "cancelled", "Job discarded."),
        ("queued", "cancel", {}, "cancelled", "Job cancelled."),
        ("running", "cancel", {}, "running", "The job was asked to stop."),
        ("scheduled", "run_now", {}, "queued", "Job due now."),
        ("queued", "move", {"queue": "slow"}, "queued", "Job moved to slow."),
        ("succeeded", "clone", {}, "succeeded", "Job cloned."),
        ("cancelled", "undo", {}, "queued", "Job restored."),
        ("succeeded", "retry", {}, "succeeded", "a succeeded job cannot be retried"),
        ("queued", "move", {"queue": "a b"}, "queued", "Nothing was changed"),
        ("dead", "retry", {"run_after": "soon"}, "dead", "is not a time"),
    ],
)
def test_buttons_do_what_they_say(
    operating: Client, state: str, verb: str, form: dict[str, str], expected: str, said: str
) -> None:
    job = make_job(state, task=ADD, args=[1])
    answer = operating.post(f"/jobs/{job.pk}/{verb}/", {"reason": "because", **form}, follow=True)
    assert said in answer.content.decode()
    assert fresh(job).state == expected
    if said.startswith(("Job", "The job was asked")):
        entry = AuditEntry.objects.order_by("id").last()
        assert entry is not None
        assert (entry.actor, entry.reason) == ("operator", "because")


def test_a_retry_can_wait_for_a_time(operating: Client) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    at = timezone.localtime(timezone.now() + timedelta(hours=3)).replace(second=0, microsecond=0)
    operating.post(f"/jobs/{dead.pk}/retry/", {"run_after": f"{at:%Y-%m-%dT%H:%M}"})
    assert fresh(dead).state == "scheduled"
    assert fresh(dead).due_at == at


@pytest.mark.parametrize("verb", ["retry", "discard", "cancel", "run_now", "move", "clone", "undo", "edit"])
def test_verbs_refuse_who_may_only_look_and_every_other_method(viewing: Client, client: Client, verb: str) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    path = f"/jobs/{dead.pk}/{verb}/"
    assert viewing.post(path, {"queue": "slow"}).status_code == 403
    assert fresh(dead).state == "dead"
    assert AuditEntry.objects.get().result == "refused"
    assert client.post(path).status_code == 401
    assert Client(enforce_csrf_checks=True).post(path).status_code == 403
    if verb != "edit":
        assert viewing.get(path).status_code == 405
    assert viewing.post(f"/jobs/{dead.pk}/no-such-verb/").status_code == 404


def test_only_usable_buttons_are_shown(viewing: Client, operating: Client) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    assert "<form" not in text_of(viewing, f"/jobs/{dead.pk}/", HX_Request="true")
    page = text_of(operating, f"/jobs/{dead.pk}/")
    assert re.findall(r'id="open-(\w+)"', page) == ["retry", "discard", "move", "clone"]
    assert f"/jobs/{dead.pk}/edit/" in page


def test_edit_and_retry_shows_what_differs_before_it_acts(operating: Client) -> None:
    dead = make_job("dead", task=ADD, args=[1], kwargs={"b": 2})
    path = f"/jobs/{dead.pk}/edit/"
    version = operate.version_of(dead)
    form = {"args": "[1]", "kwargs": '{"c": 3}', "reason": "typo", "version": version}
    assert "fault" in operating.post(path, form).content.decode()  # no such parameter
    assert "Enter a valid JSON" in operating.post(path, {**form, "kwargs": "{"}).content.decode()
    form["kwargs"] = '{"b": 3}'
    page = operating.post(path, form).content.decode()
    assert '<span class="removed">-  &quot;b&quot;: 2</span>' in page
    assert '<span class="added">+  &quot;b&quot;: 3</span>' in page
    assert fresh(dead).state == "dead"
    checked = re.search(r'name="checked" value="(\w+)"', page)
    assert checked
    # what was not shown is not done
    operating.post(path, {**form, "kwargs": '{"b": 4}', "checked": checked[1]})
    assert fresh(dead).state == "dead"
    answer = operating.post(path, {**form, "checked": checked[1]}, follow=True)
    assert "Job retried with the new arguments." in answer.content.decode()
    assert fresh(dead).kwargs == {"b": 3}
    assert fresh(dead).state == "queued"
    assert "typo" in answer.content.decode()


def test_edit_and_retry_refuses_a_job_that_has_changed_meanwhile(operating: Client) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    form = {"args": "[2]", "kwargs": "{}", "version": operate.version_of(dead)}
    Job.objects.filter(pk=dead.pk).update(args=[5])
    assert "has changed meanwhile" in operating.post(f"/jobs/{dead.pk}/edit/", form).content.decode()
    assert fresh(dead).args == [5]


def test_edit_needs_all_three_permissions(operator: User, operating: Client) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    operator.user_permissions.remove(Permission.objects.get(codename="view_payload"))
    assert operating.get(f"/jobs/{dead.pk}/edit/").status_code == 403
    assert "/edit/" not in text_of(operating, f"/jobs/{dead.pk}/")


def test_the_statements_of_the_page_do_not_grow(operating: Client) -> None:
    dead = make_job("dead", task=ADD, args=[1])

    def count() -> int:
        forget()
        with CaptureQueriesContext(connection) as captured:
            text_of(operating, f"/jobs/{dead.pk}/")
        return len(captured)

    few = count()
    first: Any = Attempt.objects.get(job=dead)
    for number in range(2, 12):
        first.pk, first.number = None, number
        first.save()
        AuditEntry.objects.create(actor="ann", action="retry", target=f"job {dead.pk}")
        make_job("dead", task=ADD, args=[1])
    assert count() <= few + 1 <= QUERY_LIMIT


def test_frames_of_libraries_are_left_out_and_counted() -> None:
    assert own_frames(TRACEBACK).splitlines() == [
        "Traceback (most recent call last):",
        '  File "/srv/shop/billing/charge.py", line 12, in pay',
        "    send(order)",
        "    ~~~~^^^^^^^",
        "  … 2 frames of libraries …",
        "requests.exceptions.Timeout: no answer in 30 s",
    ]
    assert own_frames("") == ""
    assert own_frames('Traceback (most recent call last):\n  File "/srv/a.py", line 1, in x\nValueError: no') == ""
