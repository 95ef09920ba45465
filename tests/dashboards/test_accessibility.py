"""Every page in both themes against the rules of WCAG 2.2 AA, by axe-core in a real browser; no rule is off."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from jobs import failures, operations
from jobs.lifecycle import operate
from jobs.models import AuditEntry, Schedule, Worker
from tests.factories import make_job

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger]

ADD = "tests.tasks.add"
AXE = (Path(__file__).parent / "axe" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = """
const [rules, done] = arguments;
axe.run(document, {runOnly: rules}).then(({violations}) => done(violations.flatMap(
  ({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} (${node.failureSummary})`))));
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


def findings(browser: Chrome, address: str, theme: str) -> list[str]:
    """Return what is wrong with a page once it is live."""
    browser.execute_script("localStorage.setItem('theme', arguments[0])", theme)
    browser.get(address)
    if browser.find_elements(By.ID, "live"):
        WebDriverWait(browser, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, "#live[data-state=live]"))
    browser.execute_script(AXE)
    return [f"{address} {theme}: {text}" for text in browser.execute_async_script(RUN, RULES)]


@pytest.mark.timeout(300)
def test_no_page_breaks_a_rule_of_accessibility(
    web_server: str, addresses: list[str], administrator: User, session_of: Callable[[User], str], browser: Chrome
) -> None:
    wrong: list[Any] = []
    browser.get(f"{web_server}/admin/login/")
    for theme in ("light", "dark"):
        wrong += findings(browser, f"{web_server}/admin/login/", theme)
    browser.add_cookie({"name": "sessionid", "value": session_of(administrator)})
    for theme in ("light", "dark"):
        for address in addresses:
            wrong += findings(browser, web_server + address, theme)
    browser.execute_script("localStorage.clear()")
    assert not wrong, "\n".join(wrong)
