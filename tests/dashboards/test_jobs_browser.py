"""Jobs found, understood and repaired in a real browser against a real server."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs import failures, lifecycle, operations
from jobs.lifecycle import operate
from jobs.models import Attempt, AuditEntry, Job, Operation, Queue
from jobs.states import Outcome
from tests.browsing import TELEPHONE, Complaints, log_in, visit, width
from tests.factories import WORKER, ended, fresh, make_job, make_worker
from tests.support import eventually

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger]

ADD = "tests.tasks.add"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
MANY = 2000
CLAIM_COUNT = 250


@pytest.fixture
def desk(page: Page, web_server: str, operator: User) -> Page:
    """A page on which the operator is logged in."""
    log_in(page, web_server, operator)
    return page


def make_many_dead() -> None:
    """Let many jobs fail, batch by batch."""
    make_worker(WORKER)
    ids = [job.pk for job in Job.objects.enqueue_many(ADD, [(1,)] * MANY)]
    for start in range(0, MANY, CLAIM_COUNT):
        runs = lifecycle.claim(ids[start : start + CLAIM_COUNT], worker=WORKER)
        for run in runs:
            run.max_attempts = 1
        lifecycle.settle([ended(run, Outcome.ERROR, exception_class="ValueError", message="no") for run in runs])


def test_a_dead_letter_is_found_by_suggestions_understood_and_retried(desk: Page) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    make_job("succeeded", task=ADD, args=[1])
    Attempt.objects.filter(job=dead).update(message=HOSTILE, exception_class=HOSTILE, log=HOSTILE)
    Job.objects.filter(pk=dead.pk).update(kwargs={"b": HOSTILE}, result=HOSTILE)
    visit(desk, "/jobs/")
    desk.keyboard.press("/")
    desk.keyboard.type("state:de")
    expect(desk.locator("#suggestions li").first).to_be_visible()
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    expect(desk.locator("#search")).to_have_value("state:dead ")
    desk.keyboard.press("Enter")
    expect(desk.locator(".chips li")).to_have_count(1)
    expect(desk.locator("[data-row]")).to_have_count(1)
    expect(desk.locator("#live")).to_have_attribute("data-state", "live")
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    expect(desk.locator("#attempts")).to_contain_text(HOSTILE)
    expect(desk.locator("#payload")).to_contain_text("<img src=x")
    expect(desk.locator("#content img")).to_have_count(0)
    assert "owned" not in desk.title()
    desk.locator("#open-retry").click()
    desk.keyboard.type("provider is back")
    desk.locator("#sheet-retry [type=submit]").click()
    expect(desk.locator("#state")).to_have_text("queued")
    expect(desk.locator("#history")).to_contain_text("provider is back")
    assert fresh(dead).state == "queued"


def test_a_page_of_one_job_follows_its_state(desk: Page) -> None:
    job = make_job("queued", task=ADD, args=[1])
    visit(desk, f"/jobs/{job.pk}/")
    desk.evaluate("window.isSamePage = true")
    expect(desk.locator("#why")).to_contain_text("No living worker")
    operate.cancel([job.pk], actor="ann")
    expect(desk.locator("#state")).to_have_text("cancelled")
    assert desk.evaluate("window.isSamePage") is True


def test_edit_and_retry_refuses_a_bad_value_and_takes_a_good_one(desk: Page) -> None:
    dead = make_job("dead", task=ADD, args=[1], kwargs={"b": 2})
    desk.goto(f"/jobs/{dead.pk}/edit/")
    for text, answer in (('{"c": 3}', ".fault"), ('{"b": 3}', "#difference")):
        desk.locator("[name=kwargs]").fill(text)
        desk.get_by_role("button", name="Show what differs").click()
        expect(desk.locator(answer).first).to_be_visible()
    expect(desk.locator(".diff")).to_contain_text('-  "b": 2')
    desk.get_by_role("button", name="Retry with these arguments").click()
    expect(desk.locator(".messages .success")).to_be_visible()
    assert (fresh(dead).state, fresh(dead).kwargs) == ("queued", {"b": 3})


def test_a_group_of_two_thousand_is_retried_with_progress_and_shown_as_it_goes(desk: Page) -> None:
    make_many_dead()
    failures.fold()
    visit(desk, "/failures/")
    desk.locator("[value=retry]").click()
    expect(desk.locator("#preview")).to_contain_text("Retry 2,000 jobs?")
    desk.locator("[name=reason]").fill("fixed in 1.2")
    desk.get_by_label("to confirm").fill(str(MANY))
    desk.locator("#preview .primary").click()
    changed, bar = desk.locator("#changed-count"), desk.get_by_role("progressbar")
    expect(changed).to_have_text("0")
    assert Job.objects.filter(state="dead").count() == MANY  # the scheduler does it, and none runs
    desk.evaluate("window.isSamePage = true")
    operations.advance(100)
    expect(changed).to_have_text("100")
    expect(bar).to_have_accessible_name("100 of 2,000 jobs")
    while operations.advance():
        pass
    expect(changed).to_have_text("2,000")
    assert bar.evaluate("it => it.value / it.max") == 1
    assert desk.evaluate("window.isSamePage") is True
    assert Operation.objects.get().state == "finished"
    assert AuditEntry.objects.filter(reason="fixed in 1.2", action="retry").count() == MANY


def test_chosen_rows_stay_while_others_change_and_are_discarded_together(desk: Page) -> None:
    for _ in range(4):
        make_job("dead", task=ADD, args=[1])
    visit(desk, "/jobs/?q=state:dead")
    expect(desk.locator(".choice")).to_be_hidden()
    for key in "jxjx":
        desk.keyboard.press(key)
    expect(desk.locator("[data-chosen]")).to_have_text("2 selected")
    make_job("dead", task=ADD, args=[1])
    expect(desk.locator(".pill")).to_contain_text("1 changed")
    expect(desk.locator("[data-row]")).to_have_count(4)
    expect(desk.locator("[data-chosen]")).to_have_text("2 selected")
    desk.locator(".choice [value=discard]").click()
    desk.locator("#preview .primary").click()
    expect(desk.locator("#changed-count")).to_have_text("2")
    desk.locator("#open-undo").click()
    desk.locator("#sheet-undo [type=submit]").click()
    eventually(lambda: Job.objects.filter(state="dead").count() == 5, 30)


def test_who_may_only_look_sees_no_buttons_and_gets_a_403(
    page: Page, web_server: str, viewer: User, complaints: Complaints
) -> None:
    dead = make_job("dead", task=ADD, args=[1], queue="mail")
    Queue.objects.get_or_create(name="mail")  # a test before may have made this process believe that it exists
    failures.fold()
    log_in(page, web_server, viewer)
    own = ("/jobs/", f"/jobs/{dead.pk}/", "/failures/", "/operations/", "/queues/", "/queues/mail/", "/workers/")
    for path in (*own, "/schedules/", "/tasks/", f"/tasks/{ADD}/", "/"):
        visit(page, path)
        ways = "form[method=post] button, [type=submit], [popovertarget], [data-select], a[href$='/edit/']"
        assert page.locator("#page").locator(ways).count() == 0, path
    complaints.allow("403 (Forbidden)")
    answer = page.evaluate(
        """address => {
          const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
          return fetch(address, {method: "POST", headers: {"X-CSRFToken": token}}).then((it) => it.status);
        }""",
        f"/jobs/{dead.pk}/retry/",
    )
    assert answer == 403
    assert fresh(dead).state == "dead"


def test_the_pages_fit_a_telephone(desk: Page) -> None:
    dead = make_job("dead", task=ADD, args=["word " * 40], queue="a-queue-with-a-rather-long-name")
    Attempt.objects.filter(job=dead).update(message="x" * 400, traceback="y" * 400)
    failures.fold()
    desk.set_viewport_size(TELEPHONE)
    for path in ("/jobs/?q=state:dead+stat:x", "/jobs/", f"/jobs/{dead.pk}/", "/failures/", "/operations/"):
        visit(desk, path)
        assert width(desk) <= TELEPHONE["width"], path
