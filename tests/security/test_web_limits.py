"""Limits on log-ins and on changes: shared by all web processes, without Redis, and not to be talked around."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboards import limits
from dashboards.models import RateWindow
from dashboards.visitors import address_of, source_of
from jobs.models import Job
from tests.admin.conftest import page
from tests.conftest import LiveDatabase
from tests.dashboards.test_live import SessionOf
from tests.factories import fresh, make_job
from tests.security.wire import Answer, ask
from tests.support import Processes, free_port

ADD = "tests.tasks.add"
CONFIRMED = {"confirmed": "yes", "reason": "because"}
LOGIN = "/admin/login/"
FULL_WIDTH = "".join(chr(ord(letter) + 0xFEE0) for letter in "operator")
SPELLINGS = [" operator", "operator\t", "OPERATOR", FULL_WIDTH, "\u3000operator" + " " * 400]


@pytest.fixture
def tight(settings: Any) -> None:
    """Three log-ins, four changes."""
    settings.QUEUEHUB = {
        **settings.QUEUEHUB, "LOGIN_ATTEMPTS": 3, "POSTS_PER_MINUTE": 4,
        "TRANSPORT": "jobs.transports.memory.MemoryTransport",
    }  # fmt: skip


def log_in(name: str = "operator", password: str = "wrong", **more: Any) -> Any:
    return Client().post(LOGIN, {"username": name, "password": password}, **more)


def end_windows() -> None:
    """Let the time of all limits pass."""
    for window in RateWindow.objects.all():
        RateWindow.objects.filter(key=window.key).update(ends_at=window.ends_at - timedelta(days=1))


# -- log-ins ---------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.usefixtures("tight", "operator")
def test_after_the_limit_even_the_right_password_waits() -> None:
    assert [log_in().status_code for _ in range(3)] == [200, 200, 200]
    for password in ("wrong", "operator"):
        answer = log_in(password=password)
        assert answer.status_code == 429
        assert 800 < int(answer.headers["Retry-After"]) <= 900
        assert b"Try again in 15 minutes" in answer.content
        assert "sessionid" not in answer.cookies
    end_windows()
    assert log_in(password="operator").status_code == 302


@pytest.mark.django_db
@pytest.mark.usefixtures("tight", "operator")
@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_of_the_name_is_no_other_name(name: str) -> None:
    for _ in range(3):
        log_in()
    assert log_in(name).status_code == 429


@pytest.mark.django_db
@pytest.mark.usefixtures("tight", "operator", "viewer")
def test_others_are_not_locked_out() -> None:
    for _ in range(4):
        log_in()
    assert log_in("viewer", "viewer").status_code == 302
    assert log_in(password="operator", REMOTE_ADDR="192.0.2.7").status_code == 302


@pytest.mark.django_db
@pytest.mark.usefixtures("tight", "operator")
def test_a_success_begins_anew() -> None:
    for _ in range(3):
        assert [log_in().status_code for _ in range(2)] == [200, 200]
        assert log_in(password="operator").status_code == 302


@pytest.mark.django_db
@pytest.mark.usefixtures("tight", "operator")
def test_who_is_logged_in_guesses_no_faster(viewing: Client) -> None:
    tries = [viewing.post(LOGIN, {"username": "operator", "password": "wrong"}).status_code for _ in range(4)]
    assert tries == [200, 200, 200, 429]
    assert log_in("viewer", "viewer").status_code == 302  # which gives nobody else's tries back
    assert log_in().status_code == 429


@pytest.mark.django_db
@pytest.mark.usefixtures("tight", "operator")
@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP"])
def test_a_header_does_not_make_another_visitor(header: str) -> None:
    tries = [log_in(headers={header: f"192.0.2.{number}"}).status_code for number in range(5)]
    assert tries == [200, 200, 200, 429, 429]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("proxy_count", "forwarded", "peer", "address"),
    [
        (0, "", "192.0.2.1", "192.0.2.1"),
        (0, "10.0.0.1", "192.0.2.1", ""),
        (0, "10.0.0.1", "10.0.0.1", ""),  # the web server believed it
        (0, "10.0.0.1:80", "10.0.0.1", ""),
        (1, "10.0.0.1, 192.0.2.9", "127.0.0.1", "192.0.2.9"),
        (2, "10.0.0.1, 192.0.2.9, 192.0.2.8", "127.0.0.1", "192.0.2.9"),
        (2, "10.0.0.1", "127.0.0.1", ""),  # shorter than our own proxies make it
        (1, "", "127.0.0.1", ""),
        (1, "evil' OR 1=1", "127.0.0.1", ""),
        (0, "", "::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_visitors_address_comes_from_our_own_proxies_only(
    rf: Any, settings: Any, proxy_count: int, forwarded: str, peer: str, address: str
) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRUSTED_PROXIES": proxy_count}
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert address_of(rf.get("/", headers=headers, REMOTE_ADDR=peer)) == address


@pytest.mark.fast
def test_a_network_of_ipv6_is_one_visitor(rf: Any) -> None:
    one, two, other = "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"
    sources = [source_of(rf.get("/", REMOTE_ADDR=address)) for address in (one, two, other)]
    assert sources == ["2001:db8::/64", "2001:db8::/64", "2001:db8:0:1::/64"]


# -- changes ---------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.usefixtures("tight")
def test_changes_are_limited_for_each_user_and_reading_is_not(operating: Client, administrator: User) -> None:
    jobs = [make_job("dead", task=ADD, args=[1]) for _ in range(6)]
    answers = [operating.post(page("job", job.pk, "verb", "retry"), CONFIRMED) for job in jobs]
    assert [answer.status_code for answer in answers] == [302] * 4 + [429] * 2
    assert [fresh(job).state for job in jobs] == ["queued"] * 4 + ["dead"] * 2
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert operating.get(page("job")).status_code == 200
    other = Client()
    other.force_login(administrator)
    assert other.post(page("job", jobs[5].pk, "verb", "retry"), CONFIRMED).status_code == 302
    end_windows()
    assert operating.post(page("job", jobs[4].pk, "verb", "retry"), CONFIRMED).status_code == 302


@pytest.mark.django_db
@pytest.mark.usefixtures("tight")
def test_a_bulk_action_is_one_change(operating: Client) -> None:
    jobs = [make_job("dead", task=ADD, args=[1]) for _ in range(20)]
    chosen = {"action": "retry", "_selected_action": [str(job.pk) for job in jobs], "select_across": "0"}
    assert operating.post(page("job"), {**chosen, **CONFIRMED}).status_code == 302
    assert Job.objects.queued().count() == 20
    assert RateWindow.objects.get().count == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("tight")
def test_refused_changes_count_too(viewing: Client) -> None:
    job = make_job("dead", task=ADD, args=[1])
    tries = [viewing.post(page("job", job.pk, "verb", "retry"), CONFIRMED).status_code for _ in range(5)]
    assert tries == [403] * 4 + [429]  # so that nobody fills the audit log


# -- the count -------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_ended_windows_are_swept_and_zero_means_no_limit() -> None:
    for number in range(10):
        assert limits.spend("login", str(number), limit=1, seconds=60) == 0
    end_windows()
    for number in range(10, 16):
        assert limits.spend("login", str(number), limit=1, seconds=60) == 0
    assert RateWindow.objects.count() <= 10
    assert not RateWindow.objects.filter(key__contains="login").exists()  # digests only
    assert {limits.spend("x", limit=0, seconds=60) for _ in range(5)} == {0}


@pytest.fixture
def two_servers(live_database: LiveDatabase, processes: Processes, operator: User) -> Iterator[list[str]]:
    """Two web processes whose Redis is away."""
    ports = [free_port(), free_port()]
    environment = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    command = [sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port"]
    servers = [processes.start(*command, str(port), env=environment) for port in ports]
    for server in servers:
        server.wait_for("Uvicorn running on")
    return [f"http://127.0.0.1:{port}" for port in ports]


def test_tries_at_once_over_two_processes_without_redis_are_counted_like_tries_in_a_row(
    two_servers: list[str], session_of: SessionOf, operator: User
) -> None:
    session = session_of(operator)

    def guess(number: int) -> Answer:
        return ask(two_servers[number % 2], LOGIN, form={"username": "operator", "password": f"guess {number}"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(40)))
    assert sorted(answer.status for answer in answers) == [200] * 10 + [429] * 30
    right = {"username": "operator", "password": "operator"}
    assert [ask(server, LOGIN, form=right).status for server in two_servers] == [429, 429]
    # whoever is in already goes on working
    job = make_job("dead", task=ADD, args=[1])
    assert ask(two_servers[1], page("job", job.pk, "verb", "retry"), session=session, form=CONFIRMED).status == 302
    assert fresh(job).state == "queued"
