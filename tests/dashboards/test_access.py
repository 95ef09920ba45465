"""Who may see what of the pages."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]


@pytest.fixture
def clerk() -> User:
    """A user of the site without any permission."""
    return User.objects.create_user("clerk", password="clerk", is_staff=True)


def test_anonymous_visitors_are_sent_to_the_login(client: Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/admin/login/?next=/"


def test_a_user_without_the_permission_gets_a_403_page(client: Client, clerk: User) -> None:
    client.force_login(clerk)
    answer = client.get("/")
    assert answer.status_code == 403
    assert b"lacks the permission" in answer.content


def test_a_viewer_sees_the_overview(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    page = answer.content.decode()
    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count("<script src=") + page.count('<script type="module" src=')


def test_snapshots_answer_401_and_403_without_a_redirect(client: Client, clerk: User, viewer: User) -> None:
    assert client.get("/snapshot.json").status_code == 401
    client.force_login(clerk)
    assert client.get("/snapshot.json").status_code == 403
    client.force_login(viewer)
    answer = client.get("/snapshot.json")
    assert answer.status_code == 200
    assert answer.json()["health"]["ledger"]["is_up"] is True


@pytest.mark.parametrize("path", ["/", "/snapshot.json", "/metrics", "/healthz"])
def test_pages_that_only_show_take_no_post(client: Client, viewer: User, path: str) -> None:
    client.force_login(viewer)
    assert client.post(path).status_code == 405


def test_healthz_is_open_to_everybody(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_an_unknown_address_gets_our_404_page(client: Client) -> None:
    answer = client.get("/nothing/here")
    assert answer.status_code == 404
    assert b"To the overview" in answer.content


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/"), ("get", "/admin/"), ("post", "/queues/mail/pause/"), ("post", "/admin/login/"), ("post", "/admin/")],
)
def test_while_the_ledger_is_away_every_request_is_told_so(client: Client, clerk: User, method: str, path: str) -> None:
    client.force_login(clerk)

    asked = 0

    def refuse(*_: Any) -> None:
        nonlocal asked
        asked += 1
        raise OperationalError("gone")

    with connection.execute_wrapper(refuse):
        answer = getattr(client, method)(path, {"username": "clerk", "password": "clerk"})
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "The ledger does not answer" in page
    assert ("Try again" in page) == (method == "get")
    assert asked == 1  # each question may take the time-out of a connection
