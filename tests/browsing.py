"""A real browser as a fixture: headless Chromium."""

import os
import shlex
import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver

from queuehub.tether import tethered
from tests import skips
from tests.run_directory import MARK, directory


def _tethered_program(driver: str) -> str:
    """Wrap the driver in a script, because Selenium takes one program only; it ends with the test process."""
    script = directory() / "chromedriver"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(tethered([driver]))} "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture(scope="session")
def _driver() -> Iterator[webdriver.Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        reason = "Chromium is not installed (Debian: apt install chromium chromium-driver)"
        (pytest.fail if skips.is_ci() else pytest.skip)(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    # As root and in containers there is no sandbox and little shared memory; the pages are our own.
    arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"]
    # A browser on a pipe ends with its driver.
    for argument in [*arguments, "--remote-debugging-pipe", "--disable-breakpad"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Without the run's mark: the browser lives longer than a test and is no leak of one.
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    driver_service = webdriver.ChromeService(_tethered_program(driver), env=environment)
    with webdriver.Chrome(options, driver_service) as chrome:
        yield chrome


@pytest.fixture
def browser(_driver: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """Headless Chromium, logged out and on an empty page; its console is in `get_log("browser")`."""
    _driver.get_log("browser")
    yield _driver
    _driver.delete_all_cookies()
    _driver.get("about:blank")
