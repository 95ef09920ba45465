"""The WebSocket, on the real ASGI application under uvicorn."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.factories import make_job
from tests.support import eventually

pytestmark = pytest.mark.one_ledger

ADD = "tests.tasks.add"
SessionOf = Callable[[User], str]


def live(server: str, session: str = "", origin: str | None = "") -> ClientConnection:
    """Open the socket as a browser on the server's own pages would, or from another origin."""
    headers = {"Cookie": f"sessionid={session}"} if session else {}
    address = server.replace("http://", "ws://") + "/ws/live/"
    return connect(address, additional_headers=headers, origin=server if origin == "" else origin, close_timeout=2)


def queued(text: Any) -> int:
    count: int = json.loads(text)["totals"]["queued"]
    return count


def test_an_open_socket_is_told_of_new_jobs_within_seconds(
    web_server: str, viewer: User, session_of: SessionOf
) -> None:
    with live(web_server, session_of(viewer)) as socket:
        before = queued(socket.recv(timeout=5))
        make_job("queued", task=ADD, args=[1])
        eventually(lambda: queued(socket.recv(timeout=5)) == before + 1, timeout_seconds=6)


def test_two_sockets_get_the_same_snapshots(web_server: str, viewer: User, session_of: SessionOf) -> None:
    session = session_of(viewer)
    with live(web_server, session) as one, live(web_server, session) as two:
        seen: set[Any] = set()
        for _ in range(2):
            seen.add(one.recv(timeout=5))
        eventually(lambda: two.recv(timeout=5) in seen or seen.add(one.recv(timeout=5)), timeout_seconds=10)


@pytest.mark.parametrize("origin", ["http://evil.example", None])
def test_a_handshake_from_elsewhere_is_refused(
    web_server: str, viewer: User, session_of: SessionOf, origin: str | None
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        live(web_server, session_of(viewer), origin=origin)
    assert refused.value.response.status_code == 403


def test_a_handshake_without_login_or_permission_is_refused(web_server: str, session_of: SessionOf) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    for session in ("", "forged", session_of(clerk)):
        with pytest.raises(InvalidStatus) as refused:
            live(web_server, session)
        assert refused.value.response.status_code == 403


def test_a_message_after_the_logout_closes_the_socket(web_server: str, viewer: User, session_of: SessionOf) -> None:
    with live(web_server, session_of(viewer)) as socket:
        socket.recv(timeout=5)
        Session.objects.all().delete()
        socket.send("hello")
        assert closing_code(socket) == 4403


def test_a_message_after_the_loss_of_the_permission_closes_the_socket(
    web_server: str, viewer: User, session_of: SessionOf
) -> None:
    with live(web_server, session_of(viewer)) as socket:
        socket.recv(timeout=5)
        viewer.user_permissions.remove(Permission.objects.get(codename="view_job"))
        socket.send("hello")
        assert closing_code(socket) == 4403


def test_an_oversized_message_closes_the_socket(web_server: str, viewer: User, session_of: SessionOf) -> None:
    with live(web_server, session_of(viewer)) as socket:
        socket.recv(timeout=5)
        socket.send("x" * 5000)
        assert closing_code(socket) == 1009


def closing_code(socket: ClientConnection) -> int | None:
    """Read until the server closes the socket, and return its code."""
    try:
        while True:
            socket.recv(timeout=5)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
