"""The overview and a repair in the admin, in a real browser against real processes."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from jobs.models import AuditEntry, Queue
from tests.factories import fresh, make_job
from tests.support import Processes, eventually

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger]

FAIL = "tests.tasks.fail"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def signed_in(web_server: str, operator: User, browser: Chrome) -> Iterator[Chrome]:
    """A browser in which the operator has logged in and looks at the overview."""
    browser.get(f"{web_server}/")
    assert "/admin/login/" in browser.current_url
    browser.find_element(By.NAME, "username").send_keys("operator")
    browser.find_element(By.NAME, "password").send_keys("operator")
    press(browser, "[type=submit]")
    wait_for(browser, "#live[data-state=live]")
    yield browser
    browser.execute_script("localStorage.clear()")
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [text for text in complaints if "favicon" not in text and "WebSocket" not in text]


def press(browser: Chrome, selector: str) -> None:
    browser.find_element(By.CSS_SELECTOR, selector).click()


def wait_for(browser: Chrome, selector: str) -> None:
    WebDriverWait(browser, 15).until(lambda page: page.find_elements(By.CSS_SELECTOR, selector))


def word(browser: Chrome, name: str) -> str:
    return browser.find_element(By.CSS_SELECTOR, f"dd [data-word={name}]").text


def letters(browser: Chrome) -> str:
    return browser.find_element(By.ID, "failures").text


def keys(browser: Chrome, *pressed: str) -> None:
    for key in pressed:
        browser.switch_to.active_element.send_keys(key)


def test_counts_change_live_without_a_reload(signed_in: Chrome) -> None:
    signed_in.execute_script("window.isSamePage = true")
    assert word(signed_in, "queued") == "0"
    for _ in range(3):
        make_job("queued", task=FAIL)
    eventually(lambda: word(signed_in, "queued") == "3", message="the count did not change")
    make_job("dead", task=FAIL)
    eventually(lambda: word(signed_in, "dead") == "1")
    eventually(lambda: FAIL in letters(signed_in))
    assert signed_in.execute_script("return window.isSamePage") is True


def test_hostile_texts_stay_texts(signed_in: Chrome) -> None:
    dead = make_job("dead", task=FAIL)
    dead.attempts.update(message=HOSTILE, exception_class=HOSTILE)
    eventually(lambda: HOSTILE in letters(signed_in))
    assert not signed_in.find_elements(By.CSS_SELECTOR, "#failures img")
    signed_in.refresh()
    wait_for(signed_in, "#live[data-state=live]")
    assert signed_in.title == "Overview · QueueHub"


def test_a_lost_server_shows_since_when_the_figures_are_stale(signed_in: Chrome, processes: Processes) -> None:
    processes.kill()
    wait_for(signed_in, "#live[data-state=stale]")
    assert "Stale since" in signed_in.find_element(By.ID, "live-text").text
    signed_in.get_log("browser")  # the failed attempts to connect


def test_a_dead_letter_is_found_on_the_overview_and_retried_in_the_admin(signed_in: Chrome) -> None:
    dead = make_job("dead", task=FAIL, args=["no luck"])
    eventually(lambda: FAIL in letters(signed_in))
    press(signed_in, "#letters a")
    eventually(lambda: signed_in.current_url.endswith(f"/jobs/{dead.pk}/"))
    address = signed_in.current_url.partition("/jobs/")[0]
    signed_in.get(f"{address}/admin/jobs/deadletter/{dead.pk}/change/")
    wait_for(signed_in, "#attempts")
    assert "ValueError" in signed_in.find_element(By.ID, "attempts").text
    signed_in.find_element(By.XPATH, "//ul[@class='object-tools']//button[text()='Retry']").click()
    wait_for(signed_in, "[name=reason]")
    signed_in.find_element(By.NAME, "reason").send_keys("provider is back")
    press(signed_in, "input[value=Retry]")
    wait_for(signed_in, ".messagelist .success")
    assert f"/admin/jobs/job/{dead.pk}/" in signed_in.current_url
    assert "1 dead letter retried." in signed_in.find_element(By.CSS_SELECTOR, ".messagelist").text
    assert fresh(dead).state == "queued"
    assert AuditEntry.objects.get().reason == "provider is back"


def test_keys_move_and_show_but_change_nothing(signed_in: Chrome) -> None:
    for name in ("bulk", "mail"):
        make_job("queued", task=FAIL, queue=name)
    eventually(lambda: "mail" in signed_in.find_element(By.ID, "queues").text)
    keys(signed_in, "g", "q")
    wait_for(signed_in, "#search")
    wait_for(signed_in, "#live[data-state=live]")
    keys(signed_in, "j", "j", "k")
    assert signed_in.switch_to.active_element.get_attribute("id") == "queue-bulk"
    keys(signed_in, "/")
    keys(signed_in, "mail", Keys.ENTER)
    wait_for(signed_in, "#queue-mail")
    assert not signed_in.find_elements(By.ID, "queue-bulk")
    wait_for(signed_in, "#live[data-state=live]")
    keys(signed_in, "?")
    wait_for(signed_in, "#help:popover-open")
    keys(signed_in, Keys.ESCAPE, "t")
    assert signed_in.execute_script("return document.documentElement.dataset.theme") == "light"
    keys(signed_in, "j", Keys.ENTER)
    wait_for(signed_in, "[data-plot] canvas")
    assert signed_in.current_url.endswith("/queues/mail/")
    assert not AuditEntry.objects.exists()


def test_a_queue_is_paused_with_a_reason_while_its_rows_are_held(signed_in: Chrome) -> None:
    make_job("queued", task=FAIL, queue="mail")
    signed_in.get(signed_in.current_url + "queues/")
    wait_for(signed_in, "#live[data-state=live]")
    wait_for(signed_in, "#open-pause-mail")
    press(signed_in, "#open-pause-mail")
    reason = signed_in.find_element(By.CSS_SELECTOR, "#pause-mail [name=reason]")
    assert signed_in.switch_to.active_element == reason
    make_job("queued", task=FAIL, queue="mail")
    WebDriverWait(signed_in, 15).until(lambda page: page.find_element(By.ID, "frozen").is_displayed())
    reason.send_keys("provider down", Keys.ENTER)
    wait_for(signed_in, ".messages .success")
    assert "provider down" in signed_in.find_element(By.ID, "queue-mail").text
    assert Queue.objects.get(name="mail").paused_reason == "provider down"


def test_a_remembered_interval_holds_the_page_still(signed_in: Chrome) -> None:
    Select(signed_in.find_element(By.ID, "interval")).select_by_value("0")
    wait_for(signed_in, "#live[data-state=off]")
    signed_in.refresh()
    wait_for(signed_in, "#live[data-state=off]")
    make_job("queued", task=FAIL)
    assert word(signed_in, "queued") == "0"

    def refreshed() -> str:
        keys(signed_in, "r")
        return word(signed_in, "queued")

    eventually(lambda: refreshed() == "1")  # a snapshot that took long is shared for some seconds


def test_the_overview_fits_a_telephone(signed_in: Chrome) -> None:
    make_job("dead", task=FAIL, queue="a-queue-with-a-rather-long-name")
    make_job("queued", task=FAIL, queue="a-queue-with-a-rather-long-name")
    size = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    signed_in.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        eventually(lambda: "rather-long" in signed_in.find_element(By.ID, "queues").text)
        assert signed_in.execute_script("return document.documentElement.scrollWidth") <= 380
    finally:
        signed_in.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
