"""Every page in both themes against the rules of WCAG 2.2 AA, by axe-core in a real browser; no rule is off."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from jobs import failures, operations
from jobs.lifecycle import operate
from jobs.models import AuditEntry, Schedule, Worker
from tests.browsing import Complaints, expect_state, log_in
from tests.factories import make_job

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
    ended = operations.preview("discard", actor="ann", ids=[queued], reason="customer is gone")
    operations.finish_now(operations.start(ended, actor="ann"))
    return [
        "/", "/queues/", "/queues/mail/", "/queues/bulk/", "/workers/", "/schedules/", f"/schedules/{edited.pk}/edit/",
        "/tasks/", f"/tasks/{ADD}/", "/jobs/", f"/jobs/{dead}/", f"/jobs/{queued}/", f"/jobs/{dead}/edit/",
        "/jobs/?q=state:dead+task:tests", "/jobs/?q=state:dead+stat:x", "/failures/", "/operations/",
        f"/operations/{preview.pk}/", f"/operations/{ended.pk}/",
        "/nothing/here", "/admin/", "/admin/jobs/job/", f"/admin/jobs/deadletter/{dead}/change/",
    ]  # fmt: skip


def findings(page: Page, address: str) -> list[str]:
    """Return what is wrong with a page, in the light and in the dark, once it is live."""
    page.goto(address)
    if page.locator("#live").count():
        expect_state(page, "live")
    wrong = []
    for theme in ("light", "dark"):
        page.evaluate(DRESS, theme)
        wrong += [f"{address} {theme}: {text}" for text in page.evaluate(RUN, RULES)]
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
    assert not wrong, "\n".join(wrong)
