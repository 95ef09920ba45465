"""The demo in the hands of somebody who has never seen it: from the first page to a repaired dead letter."""

import re
import time

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import Complaints, opened
from tests.figures import Figures, figures
from tests.support import eventually, free_port

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger, pytest.mark.timeout(300)]

__all__ = ["figures"]
LIMIT_SECONDS = 60
ENCODINGS = {"cp1251": "cp1251", "latin1": "latin-1", "shift_jis": "shift_jis", "utf16": "utf-16"}
"""By the name of the file; Python says of each of them that it does not tell its encoding."""


def test_a_new_operator_repairs_a_dead_letter_within_a_minute(
    start_demo, browser: Browser, complaints: Complaints, figures: Figures
):
    port = free_port()
    demo = start_demo("--port", str(port), DJANGO_SETTINGS_MODULE="tests.demo.settings")
    demo.wait_for("jobs done", timeout_seconds=90)
    name, password = re.search(r"Login +(\S+) / (\S+)", demo.output).groups()
    with opened(browser, f"http://localhost:{port}", complaints) as page:
        eventually(lambda: re.search(r"[1-9]\d* dead", demo.output), 120, "nothing of the demo has died")
        begun = time.monotonic()
        page.goto("/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        path = find(page)
        repair(page, next(encoding for name, encoding in ENCODINGS.items() if name in path))
        seconds = time.monotonic() - begun
    figures.add(first_page_to_repaired_seconds=round(seconds, 1))
    assert seconds <= LIMIT_SECONDS
    assert not complaints.unexpected


def find(page: Page) -> str:
    """Go from the red figure to a job and read what is wrong with it; return the path of its file."""
    expect(page.locator(".card.alarming")).to_contain_text(re.compile(r"Dead.*[1-9]"))
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Failures").click()
    page.get_by_role("row", name="missing encoding declaration").get_by_role("link", name="SyntaxError").click()
    page.get_by_role("row").get_by_role("link", name="demo.tasks.analyse_file").first.click()
    expect(page.locator("#state")).to_have_text("dead")
    expect(page.locator("#attempts")).to_contain_text("missing encoding declaration")
    return page.locator("#payload").get_by_text("broken/").inner_text()


def repair(page: Page, encoding: str) -> None:
    """Try a name that the task does not know, then the right one; the page shows the success by itself."""
    page.get_by_role("link", name="Edit & retry").click()
    named = page.get_by_label("Keyword arguments")
    named.fill(f'{{"encodings": "{encoding}"}}')
    page.get_by_role("button", name="Show what differs").click()
    expect(page.get_by_role("alert")).to_contain_text("encodings")
    named.fill(f'{{"encoding": "{encoding}"}}')
    page.get_by_role("button", name="Show what differs").click()
    expect(page.get_by_role("region", name="Difference")).to_contain_text(encoding)
    page.get_by_role("button", name="Retry with these arguments").click()
    expect(page.locator("#state")).to_have_text("succeeded")
    expect(page.locator("#result")).to_contain_text('"functions": 1')
