"""The overview and a repair in the admin, in a real browser against real processes."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, WebSocketRoute, expect

from jobs.models import AuditEntry, Queue
from tests.browsing import TELEPHONE, Complaints, expect_state, log_in, visit, width
from tests.factories import fresh, make_job
from tests.support import Processes, eventually

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger]

FAIL = "tests.tasks.fail"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def overview(page: Page, web_server: str, operator: User) -> Page:
    """The overview as the operator sees it, fed by the socket."""
    log_in(page, web_server, operator)
    visit(page, "/")
    return page


def test_the_login_leads_to_the_page_that_was_asked_for(page: Page, operator: User) -> None:
    page.goto("/queues/")
    expect(page).to_have_url(re.compile("/admin/login/"))
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill("operator")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile("/queues/$"))
    expect_state(page, "live")


def test_counts_change_live_without_a_reload(overview: Page) -> None:
    overview.evaluate("window.isSamePage = true")
    queued, dead = (overview.locator(f"dd [data-word={name}]") for name in ("queued", "dead"))
    expect(queued).to_have_text("0")
    for _ in range(3):
        make_job("queued", task=FAIL)
    expect(queued).to_have_text("3")
    make_job("dead", task=FAIL)
    expect(dead).to_have_text("1")
    expect(overview.locator("#failures")).to_contain_text(FAIL)
    assert overview.evaluate("window.isSamePage") is True


def test_changes_are_announced_but_not_one_by_one(overview: Page) -> None:
    dead, said = overview.locator("dd [data-word=dead]"), overview.get_by_role("status")
    make_job("dead", task=FAIL)
    expect(said).to_have_text("Dead letters: 1")
    make_job("dead", task=FAIL)
    expect(dead).to_have_text("2")
    assert said.text_content() == "Dead letters: 1"  # the next word comes ten seconds after the last


def test_a_lost_socket_is_replaced_by_polling_until_it_is_back(page: Page, web_server: str, operator: User) -> None:
    sockets: list[WebSocketRoute] = []
    is_cut = False

    def route(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if is_cut:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket("**/ws/live/", route)
    log_in(page, web_server, operator)
    visit(page, "/")
    page.evaluate("window.isSamePage = true")
    is_cut = True
    sockets[0].close()
    expect_state(page, "polling")
    make_job("queued", task=FAIL)
    expect(page.locator("dd [data-word=queued]")).to_have_text("1")
    expect_state(page, "polling")
    is_cut = False
    expect_state(page, "live")
    assert page.evaluate("window.isSamePage") is True


def test_a_lost_server_shows_since_when_the_figures_are_stale(
    overview: Page, processes: Processes, complaints: Complaints
) -> None:
    for part in ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "Failed to fetch"):
        complaints.allow(part)
    processes.kill()
    expect_state(overview, "stale")
    expect(overview.locator("#live-text")).to_contain_text("Stale since")


def test_hostile_texts_stay_texts(overview: Page) -> None:
    dead = make_job("dead", task=FAIL)
    dead.attempts.update(message=HOSTILE, exception_class=HOSTILE)
    failures = overview.locator("#failures")
    expect(failures).to_contain_text(HOSTILE)
    expect(failures.locator("img")).to_have_count(0)
    visit(overview, "/")
    expect(failures).to_contain_text(HOSTILE)
    expect(overview).to_have_title("Overview · QueueHub")


def test_a_dead_letter_is_found_on_the_overview_and_retried_in_the_admin(overview: Page) -> None:
    dead = make_job("dead", task=FAIL, args=["no luck"])
    overview.locator("#letters a", has_text=FAIL).click()
    expect(overview).to_have_url(re.compile(f"/jobs/{dead.pk}/$"))
    overview.goto(f"/admin/jobs/deadletter/{dead.pk}/change/")
    expect(overview.locator("#attempts")).to_contain_text("ValueError")
    overview.locator("ul.object-tools").get_by_role("button", name="Retry", exact=True).click()
    overview.locator("[name=reason]").fill("provider is back")
    overview.locator("input[value=Retry]").click()
    expect(overview.locator(".messagelist .success")).to_contain_text("1 dead letter retried.")
    assert f"/admin/jobs/job/{dead.pk}/" in overview.url
    assert fresh(dead).state == "queued"
    assert AuditEntry.objects.get().reason == "provider is back"


def test_keys_move_and_show_but_change_nothing(overview: Page) -> None:
    for name in ("bulk", "mail"):
        make_job("queued", task=FAIL, queue=name)
    press, bulk, mail = overview.keyboard.press, overview.locator("#queue-bulk"), overview.locator("#queue-mail")
    expect(overview.locator("#queues")).to_contain_text("mail")
    press("g")
    press("q")
    expect(overview.locator("#search")).to_be_visible()
    expect_state(overview, "live")
    for key in "jjk":
        press(key)
    expect(bulk).to_be_focused()
    press("/")
    overview.keyboard.type("mail")
    press("Enter")
    expect(bulk).to_have_count(0)
    expect(mail).to_be_visible()
    expect_state(overview, "live")
    press("?")
    expect(overview.locator("#help")).to_be_visible()
    press("Escape")
    press("t")
    expect(overview.locator("html")).to_have_attribute("data-theme", "light")
    press("j")
    press("Enter")
    expect(overview.locator("[data-plot] canvas").first).to_be_visible()
    assert overview.url.endswith("/queues/mail/")
    assert not AuditEntry.objects.exists()


def test_a_queue_is_paused_with_a_reason_while_its_rows_are_held_and_resumed(overview: Page) -> None:
    make_job("queued", task=FAIL, queue="mail")
    visit(overview, "/queues/")
    row = overview.locator("#queue-mail")
    row.get_by_role("button", name="Pause").first.click()
    reason = overview.locator("#pause-mail [name=reason]")
    expect(reason).to_be_focused()
    make_job("queued", task=FAIL, queue="mail")
    expect(overview.locator("#frozen")).to_be_visible()
    reason.fill("provider down")
    reason.press("Enter")
    expect(overview.locator(".messages .success")).to_be_visible()
    expect(row).to_contain_text("provider down")
    assert Queue.objects.get(name="mail").paused_reason == "provider down"
    row.get_by_role("button", name="Resume").first.click()
    overview.locator("#resume-mail").get_by_role("button", name="Resume").click()
    expect(row).not_to_contain_text("provider down")
    assert Queue.objects.get(name="mail").paused_at is None


def test_a_remembered_interval_holds_the_page_still(overview: Page) -> None:
    overview.locator("#interval").select_option("0")
    expect_state(overview, "off")
    overview.reload()
    expect_state(overview, "off")
    make_job("queued", task=FAIL)
    queued = overview.locator("dd [data-word=queued]")
    expect(queued).to_have_text("0")

    def refreshed() -> str | None:
        overview.keyboard.press("r")
        return queued.text_content()

    eventually(lambda: refreshed() == "1")  # a snapshot that took long is shared for some seconds


def test_the_overview_fits_a_telephone(overview: Page) -> None:
    make_job("dead", task=FAIL, queue="a-queue-with-a-rather-long-name")
    make_job("queued", task=FAIL, queue="a-queue-with-a-rather-long-name")
    overview.set_viewport_size(TELEPHONE)
    expect(overview.locator("#queues")).to_contain_text("rather-long")
    assert width(overview) <= TELEPHONE["width"]
    visit(overview, "/queues/")
    pause = overview.get_by_role("button", name="Pause").first.bounding_box()
    assert pause is not None
    assert pause["x"] + pause["width"] <= TELEPHONE["width"]  # within reach without scrolling sideways
