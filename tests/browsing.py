"""A real browser as fixtures: Debian's Chromium, headless, driven by Playwright.

One browser serves a whole run; each test gets a context of its own, as a fresh profile. A page that complains fails its
test: errors in the console (the refusals of the content security policy are among them), uncaught exceptions, and
requests to another host.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests import skips
from tests.run_directory import MARK

PATIENCE_SECONDS = 30
WINDOW: ViewportSize = {"width": 1280, "height": 900}
TELEPHONE: ViewportSize = {"width": 380, "height": 800}
# As root and in containers there is no sandbox and little shared memory; the pages are our own.
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-breakpad")
ON_THIS_PAGE = ("data", "blob", "about")
"""Schemes of addresses that lead to no host."""


@dataclass
class Complaints:
    """What the pages of one context complained of."""

    texts: list[str] = field(default_factory=list)
    _allowed: list[str] = field(default_factory=list)

    def allow(self, part: str) -> None:
        """Expect complaints that hold this text: the test provokes them."""
        self._allowed.append(part)

    @property
    def unexpected(self) -> list[str]:
        """Those that the test did not expect."""
        return [text for text in self.texts if not any(part in text for part in self._allowed)]

    def listen_to(self, context: BrowserContext, address: str) -> None:
        """Note what goes wrong in the context; its pages may ask the server at this address and no other."""
        host = urlsplit(address).netloc

        def note_request(url: str) -> None:
            parts = urlsplit(url)
            if parts.scheme not in ON_THIS_PAGE and parts.netloc != host:
                self.texts.append(f"request to another host: {url}")

        def note_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.texts.append(f"{message.page and message.page.url}: {message.text}")

        context.on("console", note_console)
        context.on("weberror", lambda it: self.texts.append(f"{it.page and it.page.url}: uncaught {it.error}"))
        context.on("request", lambda it: note_request(it.url))
        context.on("page", lambda page: page.on("websocket", lambda it: note_request(it.url)))


@contextmanager
def chromium(**options: Any) -> Iterator[Browser]:
    """Run a headless Chromium; `options` are those of Playwright's launch()."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        with _launched(playwright, **options) as browser:
            yield browser


def _launched(playwright: Playwright, **options: Any) -> Browser:
    # Without the run's mark: the browser lives longer than a test and is no leak of one.
    environment: dict[str, str | float | bool] = {name: text for name, text in os.environ.items() if name != MARK}
    path = shutil.which("chromium")
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS, env=environment, **options)


@pytest.fixture(scope="session")
def _chromium() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """The run's browser, and the loop in which Playwright waits."""
    if not shutil.which("chromium"):
        reason = "Chromium is not installed (Debian: apt install chromium)"
        (pytest.fail if skips.is_ci() else pytest.skip)(reason)
    with chromium() as browser:
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
    asyncio._set_running_loop(None)


@pytest.fixture
def browser(
    _chromium: tuple[Browser, asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Browser]:
    """Headless Chromium.

    Between its calls Playwright leaves its loop marked as running in this thread. Django would refuse every query of
    the test for that, and asyncio.run() would fail in every later test: the mark ends with the test.
    """
    browser, loop = _chromium
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


@contextmanager
def opened(browser: Browser, address: str, complaints: Complaints) -> Iterator[Page]:
    """Open a page of a fresh context whose relative addresses lead to this server; note its complaints."""
    context = browser.new_context(base_url=address, viewport=WINDOW, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    complaints.listen_to(context, address)
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture
def complaints() -> Complaints:
    """What the test's pages complain of; what the test does not allow fails it."""
    return Complaints()


@pytest.fixture
def page(browser: Browser, web_server: str, complaints: Complaints) -> Iterator[Page]:
    """A page of the test's web server, on which nobody is logged in."""
    with opened(browser, web_server, complaints) as page:
        yield page
    assert not complaints.unexpected


def log_in(page: Page, address: str, user: User) -> None:
    """Give the browser a session of the user, without the form."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])


def visit(page: Page, path: str) -> None:
    """Open one of our live pages and wait until it is fed."""
    page.goto(path)
    expect_state(page, "live")


def expect_state(page: Page, state: str) -> None:
    """Wait until the page calls itself live, polling, stale, off or signed-out."""
    expect(page.locator("#live")).to_have_attribute("data-state", state)


def width(page: Page) -> int:
    """Return the width of the whole page in pixels; more than its window's means that it scrolls sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth"))
