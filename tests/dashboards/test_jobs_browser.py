"""Jobs found, understood and repaired in a real browser against a real server."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from jobs import failures, lifecycle, operations
from jobs.lifecycle import operate
from jobs.models import Attempt, AuditEntry, Job, Operation
from jobs.states import Outcome
from tests.factories import WORKER, ended, fresh, make_job, make_worker
from tests.support import eventually

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger]

ADD = "tests.tasks.add"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
MANY = 520
PATIENCE_SECONDS = 30


@pytest.fixture
def page(web_server: str, operator: User, browser: Chrome) -> Iterator[Chrome]:
    """A browser in which the operator has logged in; at the end it has complained of nothing."""
    sign_in(browser, web_server, "operator")
    yield browser
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [text for text in complaints if "favicon" not in text and "WebSocket" not in text]
    hosts = browser.execute_script("return performance.getEntriesByType('resource').map((it) => new URL(it.name).host)")
    assert set(hosts) <= {web_server.removeprefix("http://")}


def sign_in(browser: Chrome, server: str, name: str) -> None:
    browser.get(f"{server}/admin/login/?next=/jobs/")
    for field in ("username", "password"):
        browser.find_element(By.NAME, field).send_keys(name)
    press(browser, "[type=submit]")
    wait_for(browser, "#live[data-state=live]")


def go(browser: Chrome, path: str) -> None:
    browser.get(browser.current_url.split("/", 3)[0] + "//" + browser.current_url.split("/", 3)[2] + path)
    wait_for(browser, "#live[data-state=live]")


def press(browser: Chrome, selector: str) -> None:
    browser.find_element(By.CSS_SELECTOR, selector).click()


def wait_for(browser: Chrome, selector: str) -> WebElement:
    found: WebElement = WebDriverWait(browser, PATIENCE_SECONDS).until(
        lambda page: next(iter(page.find_elements(By.CSS_SELECTOR, selector)), None)
    )
    return found


def text_of(browser: Chrome, selector: str) -> str:
    return browser.find_element(By.CSS_SELECTOR, selector).text


def make_many_dead() -> None:
    """Let many jobs fail, batch by batch."""
    make_worker(WORKER)
    ids = [job.pk for job in Job.objects.enqueue_many(ADD, [(1,)] * MANY)]
    for start in range(0, MANY, 250):
        runs = lifecycle.claim(ids[start : start + 250], worker=WORKER)
        for run in runs:
            run.max_attempts = 1
        lifecycle.settle([ended(run, Outcome.ERROR, exception_class="ValueError", message="no") for run in runs])


def test_a_dead_letter_is_found_by_suggestions_understood_and_retried(page: Chrome) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    make_job("succeeded", task=ADD, args=[1])
    Attempt.objects.filter(job=dead).update(message=HOSTILE, exception_class=HOSTILE, log=HOSTILE)
    Job.objects.filter(pk=dead.pk).update(kwargs={"b": HOSTILE}, result=HOSTILE)
    box = page.find_element(By.ID, "search")
    page.switch_to.active_element.send_keys("/")
    box.send_keys("state:de")
    wait_for(page, "#suggestions li")
    box.send_keys(Keys.ARROW_DOWN, Keys.ENTER)
    assert box.get_attribute("value") == "state:dead "
    box.send_keys(Keys.ESCAPE, Keys.ENTER)
    wait_for(page, ".chips li")
    assert len(page.find_elements(By.CSS_SELECTOR, "[data-row]")) == 1
    wait_for(page, "#live[data-state=live]")
    page.find_element(By.TAG_NAME, "body").send_keys("j", Keys.ENTER)
    wait_for(page, "#attempt-1")
    assert HOSTILE in text_of(page, "#attempts")
    assert "<img src=x" in text_of(page, "#payload")
    assert not page.find_elements(By.CSS_SELECTOR, "#content img")
    assert "owned" not in page.title
    press(page, "#open-retry")
    page.switch_to.active_element.send_keys("provider is back")
    press(page, "#sheet-retry [type=submit]")
    wait_for(page, ".messages .success")
    assert text_of(page, "#state") == "queued"
    assert "provider is back" in text_of(page, "#history")
    assert fresh(dead).state == "queued"


def test_a_page_of_one_job_follows_its_state(page: Chrome) -> None:
    job = make_job("queued", task=ADD, args=[1])
    go(page, f"/jobs/{job.pk}/")
    page.execute_script("window.isSamePage = true")
    assert "No living worker" in text_of(page, "#why")
    operate.cancel([job.pk], actor="ann")
    eventually(lambda: text_of(page, "#state") == "cancelled", PATIENCE_SECONDS)
    assert page.execute_script("return window.isSamePage") is True


def test_edit_and_retry_refuses_a_bad_value_and_takes_a_good_one(page: Chrome) -> None:
    dead = make_job("dead", task=ADD, args=[1], kwargs={"b": 2})
    go(page, f"/jobs/{dead.pk}/edit/")
    for text, answer in (('{"c": 3}', ".fault"), ('{"b": 3}', "#difference")):
        field = page.find_element(By.NAME, "kwargs")
        field.clear()
        field.send_keys(text)
        press(page, ".fields > .buttons .primary, .fields > .buttons [type=submit]")
        wait_for(page, answer)
    assert "-  \"b\": 2" in text_of(page, ".diff")
    press(page, "#difference .primary")
    wait_for(page, ".messages .success")
    assert (fresh(dead).state, fresh(dead).kwargs) == ("queued", {"b": 3})


def test_a_group_of_some_hundred_is_retried_with_progress_and_shown_as_it_goes(page: Chrome) -> None:
    make_many_dead()
    failures.fold()
    go(page, "/failures/")
    press(page, "[value=retry]")
    wait_for(page, "#preview")
    assert f"Retry {MANY} jobs?" in text_of(page, "#preview")
    page.find_element(By.NAME, "reason").send_keys("fixed in 1.2")
    press(page, "#preview .primary")
    wait_for(page, "#changed-count")
    assert Job.objects.filter(state="dead").count() == MANY  # the scheduler does it, and none runs
    page.execute_script("window.isSamePage = true")
    operations.advance(100)
    eventually(lambda: text_of(page, "#changed-count") == "100", PATIENCE_SECONDS)
    while operations.advance():
        pass
    eventually(lambda: text_of(page, "#changed-count") == str(MANY), PATIENCE_SECONDS)
    assert page.execute_script("return window.isSamePage") is True
    assert Operation.objects.get().state == "finished"
    assert AuditEntry.objects.filter(reason="fixed in 1.2", action="retry").count() == MANY


def test_chosen_rows_stay_while_others_change_and_are_discarded_together(page: Chrome) -> None:
    for _ in range(4):
        make_job("dead", task=ADD, args=[1])
    go(page, "/jobs/?q=state:dead")
    body = page.find_element(By.TAG_NAME, "body")
    assert not page.find_element(By.CSS_SELECTOR, ".choice").is_displayed()
    body.send_keys("j", "x", "j", "x")
    assert text_of(page, "[data-chosen]") == "2 selected"
    make_job("dead", task=ADD, args=[1])
    wait_for(page, ".pill")
    assert text_of(page, ".pill").startswith("1 changed")
    assert len(page.find_elements(By.CSS_SELECTOR, "[data-row]")) == 4
    assert text_of(page, "[data-chosen]") == "2 selected"
    press(page, ".choice [value=discard]")
    wait_for(page, "#preview .primary")
    press(page, "#preview .primary")
    wait_for(page, "#changed-count")
    assert text_of(page, "#changed-count") == "2"
    press(page, "#open-undo")
    press(page, "#sheet-undo [type=submit]")
    eventually(lambda: Job.objects.filter(state="dead").count() == 5, PATIENCE_SECONDS)


def test_who_may_only_look_sees_no_buttons_and_gets_a_403(
    web_server: str, viewer: User, browser: Chrome
) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    failures.fold()
    sign_in(browser, web_server, "viewer")
    for path in ("/jobs/", f"/jobs/{dead.pk}/", "/failures/", "/operations/"):
        go(browser, path)
        ways = "#page form[method=post] button, #page [type=submit], #page [data-select]"
        assert not browser.find_elements(By.CSS_SELECTOR, ways)
    answer = browser.execute_async_script(
        "const done = arguments[1]; const token = document.querySelector('[name=csrfmiddlewaretoken]').value;"
        "fetch(arguments[0], {method: 'POST', headers: {'X-CSRFToken': token}}).then((it) => done(it.status))",
        f"/jobs/{dead.pk}/retry/",
    )
    assert answer == 403
    assert fresh(dead).state == "dead"
    browser.get_log("browser")  # the browser says that it was refused


def test_the_pages_fit_a_telephone(page: Chrome) -> None:
    dead = make_job("dead", task=ADD, args=["word " * 40], queue="a-queue-with-a-rather-long-name")
    Attempt.objects.filter(job=dead).update(message="x" * 400, traceback="y" * 400)
    failures.fold()
    size = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for path in ("/jobs/?q=state:dead+stat:x", "/jobs/", f"/jobs/{dead.pk}/", "/failures/", "/operations/"):
            go(page, path)
            assert page.execute_script("return document.documentElement.scrollWidth") <= 380, path
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
