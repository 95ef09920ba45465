"""Every page in both themes against the rules of WCAG 2.2 AA, by axe-core in a real browser; no rule is off."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, WebSocketRoute, expect

from jobs import failures, operations
from jobs.lifecycle import operate
from jobs.models import AuditEntry, FailureGroup, Schedule, SchedulerLease, Worker
from tests.browsing import Complaints, expect_state, log_in, visit
from tests.factories import make_job, make_worker

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger]

ADD = "tests.tasks.add"
AXE = (Path(__file__).parent / "axe" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Colours are judged when they have come to rest.
DRESS = """
(theme) => {
  document.documentElement.dataset.theme = theme;
  return Promise.allSettled(document.getAnimations().map((it) => it.finished)).then(() => null);
}
"""
RUN = """
(rules) => axe.run(document, {runOnly: rules}).then(({violations}) => violations.flatMap(
  ({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} (${node.failureSummary})`)))
"""


@pytest.fixture
def addresses(web_server: str, administrator: User) -> list[str]:
    """Every page, with something to show on each."""
    found = {state: make_job(state, task=ADD, args=[1, 2], queue="mail") for state in ("queued", "running", "dead")}
    Worker.objects.update(runs=[{"job": str(found["running"].pk), "seconds": 3.0}])
    operate.pause_queue("bulk", actor="ann", reason="provider down")
    Schedule.objects.create(name="nightly", task=ADD, args=[1, 2], cron="0 3 * * *", is_enabled=False)
    edited = Schedule.objects.create(name="hourly", task=ADD, args=[1, 2], every_seconds=3600, is_edited=True)
    failures.name_unnamed()
    failures.fold()
    assert AuditEntry.objects.exists()
    dead, queued = found["dead"].pk, found["queued"].pk
    preview = operations.preview("discard", actor="ann", ids=[dead, queued])
    group = operations.preview("retry", actor="ann", fingerprint=FailureGroup.objects.get().pk)
    ended = operations.preview("discard", actor="ann", ids=[queued], reason="customer is gone")
    operations.finish_now(operations.start(ended, actor="ann"))
    return [
        "/", "/queues/", "/queues/mail/", "/queues/bulk/", "/workers/", "/schedules/", f"/schedules/{edited.pk}/edit/",
        "/tasks/", f"/tasks/{ADD}/", "/jobs/", f"/jobs/{dead}/", f"/jobs/{queued}/", f"/jobs/{dead}/edit/",
        "/jobs/?q=state:dead+task:tests", "/jobs/?q=state:dead+stat:x", "/failures/", "/operations/",
        f"/operations/{preview.pk}/", f"/operations/{ended.pk}/", f"/operations/{group.pk}/",
        "/nothing/here", "/admin/", "/admin/jobs/job/", f"/admin/jobs/deadletter/{dead}/change/",
    ]  # fmt: skip


def findings(page: Page, address: str, rules: Sequence[str] = RULES) -> list[str]:
    """Return what is wrong with a page, in the light and in the dark, once it is live."""
    page.goto(address)
    if page.locator("#live").count():
        expect_state(page, "live")
    expect(page.locator(".narrow:visible")).to_have_count(0)  # what narrow screens get in place of columns
    return findings_now(page, address, rules)


def findings_now(page: Page, name: str, rules: Sequence[str] = RULES) -> list[str]:
    """Return what is wrong with a page as it stands."""
    wrong = []
    for theme in ("light", "dark"):
        page.evaluate(DRESS, theme)
        wrong += [f"{name} {theme}: {text}" for text in page.evaluate(RUN, rules)]
    return wrong


@pytest.mark.timeout(300)
def test_no_page_breaks_a_rule_of_accessibility(
    page: Page, web_server: str, addresses: list[str], administrator: User, complaints: Complaints
) -> None:
    complaints.allow("404 (Not Found)")  # the page that says so is looked at, too
    complaints.allow("Applying inline style")  # axe itself, where a style sheet of the admin imports another
    page.add_init_script(AXE)
    wrong = findings(page, "/admin/login/")
    log_in(page, web_server, administrator)
    for address in addresses:
        wrong += findings(page, address)
    # Django's own form, which is not ours but for its colours
    wrong += findings(page, f"/admin/auth/user/{administrator.pk}/change/", ["color-contrast"])
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(300)
def test_no_empty_page_breaks_one(page: Page, web_server: str, administrator: User) -> None:
    log_in(page, web_server, administrator)
    page.add_init_script(AXE)
    Schedule.objects.all().delete()
    wrong = []
    for name in ("", "queues/", "workers/", "schedules/", "tasks/?q=none", "jobs/", "failures/", "operations/"):
        wrong += findings(page, f"/{name}")
        expect(page.locator(".empty").first).to_be_visible()
    make_worker()
    ends_at = timezone.now() + timedelta(hours=1)
    SchedulerLease.objects.create(name="scheduler", holder="host-1", renewed_at=timezone.now(), expires_at=ends_at)
    expect(page.locator("#health [data-part=scheduler]")).to_have_attribute("data-state", "up")
    wrong += findings(page, "/")
    expect(page.locator("#attention")).to_contain_text("All is well")
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(300)
def test_no_page_of_an_error_breaks_one(
    page: Page, web_server: str, administrator: User, complaints: Complaints
) -> None:
    for status in ("403 (Forbidden)", "503 (Service Unavailable)"):
        complaints.allow(status)
    page.add_init_script(AXE)
    page.goto("/admin/login/")
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".errornote")).to_be_visible()
    wrong = findings_now(page, "the login after an error")
    log_in(page, web_server, User.objects.create_user("stranger"))
    wrong += findings(page, "/")
    expect(page.get_by_role("heading", name="Not permitted")).to_be_visible()
    away = page_without_ledger(administrator)
    page.route(re.compile(r":\d+/$"), lambda route: route.fulfill(status=503, body=away, content_type="text/html"))
    wrong += findings(page, "/")
    expect(page.get_by_role("heading", name="The ledger does not answer")).to_be_visible()
    assert not wrong, "\n".join(wrong)


def page_without_ledger(user: User) -> str:
    """Return what the first page is while no query is answered."""
    client = Client()
    client.force_login(user)

    def refuse(*_: Any) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(refuse):
        return client.get("/").content.decode()


@pytest.mark.timeout(300)
def test_no_stale_page_breaks_one(
    page: Page, web_server: str, addresses: list[str], administrator: User, complaints: Complaints
) -> None:
    complaints.allow("ERR_FAILED")
    sockets: list[WebSocketRoute] = []

    def listen(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            socket.connect_to_server()
        else:
            socket.close()

    page.route_web_socket("**/ws/live/", listen)
    log_in(page, web_server, administrator)
    page.add_init_script(AXE)
    visit(page, addresses[0])
    page.route("**/snapshot.json", lambda route: route.abort())
    sockets[0].close()
    expect_state(page, "stale")
    wrong = findings_now(page, "a stale overview")
    assert not wrong, "\n".join(wrong)
