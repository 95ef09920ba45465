"""Attacks on the WebSocket, under uvicorn. What ordinary visitors do with it: tests/dashboards/test_live.py."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.utils import timezone
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import InvalidStatus

from dashboards import consumers
from dashboards import ticker as ticking
from tests.conftest import LiveDatabase
from tests.dashboards.test_live import SessionOf, closing_code, live
from tests.support import Processes, free_port

SECONDS = consumers.RECHECK_SECONDS + 10
"""Until an open socket is closed: the next look at the session, and a snapshot to begin it."""


ORIGINS = [
    "https://evil.example", "http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example", "null", "file://", None,
]  # fmt: skip


@pytest.mark.one_ledger
def test_pages_of_other_sites_and_expired_sessions_get_no_socket(
    web_server: str, viewer: User, session_of: SessionOf
) -> None:
    session = session_of(viewer)

    def status(origin: str | None) -> int:
        with pytest.raises(InvalidStatus) as refused, live(web_server, session, origin=origin):
            pass
        return int(refused.value.response.status_code)

    assert [status(origin) for origin in ORIGINS] == [403] * len(ORIGINS)
    with live(web_server, session):
        pass
    _expire(viewer)
    assert status("") == 403


def _expire(viewer: User) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def _withdraw(viewer: User) -> None:
    viewer.user_permissions.remove(Permission.objects.get(codename="view_job"))


def _deactivate(viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_active=False)


def _change_password(viewer: User) -> None:
    viewer.set_password("another")
    viewer.save()


@pytest.mark.one_ledger
def test_a_silent_socket_is_closed_within_seconds_once_its_user_may_not_look(
    web_server: str, session_of: SessionOf
) -> None:
    view_job = Permission.objects.get(codename="view_job")
    endings: list[Callable[[User], None]] = [_withdraw, _deactivate, _change_password, _expire]  # the last hits all
    with ExitStack() as stack:
        sockets = []
        for ending in endings:
            user = User.objects.create_user(ending.__name__)
            user.user_permissions.add(view_job)
            socket = stack.enter_context(live(web_server, session_of(user)))
            socket.recv(timeout=10)
            sockets.append((socket, ending, user))
        begun = time.monotonic()
        for _, ending, user in sockets:
            ending(user)
        assert [closing_code(socket) for socket, _, _ in sockets] == [consumers.REFUSED] * len(endings)
        assert time.monotonic() - begun < SECONDS


@pytest.mark.one_ledger
def test_messages_do_nothing_and_oversized_ones_close_their_socket_and_no_other(
    web_server: str, viewer: User, session_of: SessionOf
) -> None:
    session = session_of(viewer)
    with live(web_server, session) as other:
        for message in ('{"type": "live.snapshot", "text": "x"}', '{"action": "retry"}', "\x00", "", b"\x80\x04."):
            other.send(message)
        oversized: list[str | bytes] = ["x" * 1025, b"\x00" * 100_000, "[" * 500_000, "x" * 20_000_000]
        for message in oversized:
            with live(web_server, session) as attacker:
                attacker.recv(timeout=10)
                attacker.send(message)
                assert closing_code(attacker) == consumers.TOO_BIG
        for _ in range(3):
            assert str(other.recv(timeout=10)).startswith('{"health"')


@pytest.mark.one_ledger
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_of_a_thousand_sockets_no_more_than_allowed_are_open_and_the_server_answers(
    live_database: LiveDatabase, processes: Processes, viewer: User, session_of: SessionOf, tmp_path: Any
) -> None:
    allowed, asked, port = 60, 1000, free_port()
    crowded = tmp_path / "crowded_settings.py"
    crowded.write_text(f"from tests.settings import *\nQUEUEHUB = {{**QUEUEHUB, 'LIVE_SOCKETS': {allowed}}}\n")
    environment = {"DJANGO_SETTINGS_MODULE": "crowded_settings", "PYTHONPATH": str(tmp_path)}
    server = processes.start(
        sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", str(port), env=environment
    )
    server.wait_for("Uvicorn running on")
    address, cookie = f"ws://127.0.0.1:{port}/ws/live/", {"Cookie": f"sessionid={session_of(viewer)}"}

    async def open_one(gate: asyncio.Semaphore) -> Any:
        async with gate:
            try:
                return await aconnect(
                    address, additional_headers=cookie, origin=f"http://127.0.0.1:{port}", open_timeout=60  # type: ignore[arg-type]
                )
            except InvalidStatus as refused:
                return refused.response.status_code

    async def attack() -> None:
        gate = asyncio.Semaphore(100)
        results = await asyncio.gather(*(open_one(gate) for _ in range(asked)))
        sockets = [result for result in results if not isinstance(result, int)]
        assert len(sockets) == allowed
        assert set(results) - set(sockets) == {403}
        assert str(await asyncio.wait_for(sockets[0].recv(), 20)).startswith('{"health"')
        await asyncio.gather(*(socket.close() for socket in sockets))
        # their places are free again
        deadline = time.monotonic() + 30
        while isinstance(last := await open_one(gate), int):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await last.close()

    asyncio.run(attack())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_a_socket_that_breaks_off_gives_its_place_back(
    viewer: User, session_of: SessionOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: Any) -> str:
        raise OperationalError("the ledger is away")

    async def break_off_too(*_: Any) -> str:
        return break_off()

    monkeypatch.setattr(consumers.snapshot, "current", break_off)
    monkeypatch.setattr(ticking, "current", break_off_too)
    session = Session.objects.get(session_key=session_of(viewer))

    async def attempt() -> None:
        store = await sync_to_async(session.get_session_store_class())(session.session_key)
        scope = {"type": "websocket", "path": "/ws/live/", "headers": [], "session": store}
        socket = ApplicationCommunicator(consumers.LiveConsumer.as_asgi(), scope)
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output(10))["type"] == "websocket.accept"
        with pytest.raises(OperationalError):
            await socket.wait(10)

    async_to_sync(attempt)()
    assert ticking.ticker.socket_count == 0
