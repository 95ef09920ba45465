"""A TCP proxy before PostgreSQL or Redis that makes connections fail in every way that networks do.

    with Proxy("/run/valkey.sock") as proxy:
        client = redis.Redis(port=proxy.port)
        proxy.black_hole()

It runs on an event loop in a daemon thread of the test process; `stop` ends the thread. Every method may be called
from any thread and has taken effect when it returns. What is under way when a stall ends arrives late, as TCP would
have it, and not never.
"""

import asyncio
import random
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from tests.faults.proxy_link import Link, ReplyCut, Upstream, Weather

T = TypeVar("T")
ANSWER_SECONDS = 10


class Proxy:
    """Listens on `port` of 127.0.0.1 and forwards to `upstream`: a unix socket's path, or a host and a port.

    `seed` decides what chance does.
    """

    def __init__(self, upstream: Upstream, seed: int = 0) -> None:
        self.upstream = upstream
        self.port = 0
        self.accepted_count = 0
        self._weather = Weather(random.Random(seed))
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._place: socket.socket | None = None
        self._server: asyncio.Server | None = None

    def start(self) -> "Proxy":
        """Listen and forward."""
        # Bound but never listening: the port stays ours, and is closed to others, while we refuse.
        self._place = _bound(0)
        self.port = self._place.getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.accept()
        return self

    def stop(self) -> None:
        """Close everything and end the thread; a second call does nothing."""
        if self._thread is None:
            return
        self.refuse()
        self.cut()
        asyncio.run_coroutine_threadsafe(self._settle_down(), self._loop).result(ANSWER_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)
        self._thread = None
        self._loop.close()
        if self._place is not None:
            self._place.close()

    def __enter__(self) -> "Proxy":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def connection_count(self) -> int:
        """How many connections are open now."""
        return self._call(lambda: len(self._links))

    # -- connections -----------------------------------------------------------------------------------
    def cut(self, *, is_reset: bool = False) -> int:
        """Close all connections, by a reset if asked, and return how many there were; new ones are welcome."""

        def cut_all() -> int:
            links = list(self._links)
            for link in links:
                link.cut(is_reset=is_reset)
            return len(links)

        return self._call(cut_all)

    def refuse(self) -> None:
        """Close the port: new connections are refused, the open ones go on."""

        def close() -> None:
            if self._server is not None:
                self._server.close()
                self._server = None

        self._call(close)

    def accept(self) -> None:
        """Open the port again."""

        async def listen() -> None:
            if self._server is None:
                self._server = await self._loop.create_server(self._linked, sock=_bound(self.port), backlog=1000)

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(ANSWER_SECONDS)

    def black_hole(self) -> None:
        """Accept connections, keep them and the open ones, and forward nothing in either direction."""

        def swallow() -> None:
            self._weather.is_black_hole = True
            self._resume()

        self._call(swallow)

    def freeze_existing(self) -> int:
        """Forward nothing on the connections that are open now, and return how many; new ones work."""

        def freeze() -> int:
            for link in self._links:
                link.is_frozen = True
            self._resume()
            return len(self._links)

        return self._call(freeze)

    def pass_on(self) -> None:
        """End `black_hole` and `freeze_existing`; what was held is forwarded."""

        def thaw() -> None:
            self._weather.is_black_hole = False
            for link in self._links:
                link.is_frozen = False
            self._resume()

        self._call(thaw)

    # -- what the road is like ---------------------------------------------------------------------------
    def delay(self, seconds: float, jitter_seconds: float = 0.0) -> None:
        """Make each chunk take this long in each direction, plus a random part of the jitter; order is kept."""
        self._change(delay_seconds=seconds, jitter_seconds=jitter_seconds)

    def loss(
        self, probability: float, retransmission_seconds: float = 0.2, reset_probability: float = 0.0
    ) -> None:
        """Lose chunks as TCP shows it: the chunk, and all behind it, come later; now and then a reset instead."""
        self._change(
            loss_probability=probability,
            retransmission_seconds=retransmission_seconds,
            reset_probability=reset_probability,
        )

    def bandwidth(self, bytes_per_second: float) -> None:
        """Limit each direction of each connection; 0 lifts the limit."""
        self._change(bytes_per_second=bytes_per_second)

    def cut_reply(
        self, pattern: bytes, count: int | None = None, every: int | None = None, reply: bytes = b""
    ) -> ReplyCut:
        """Lose replies: the request is carried out, its reply thrown away, and the connection closed.

        Args:
            pattern: regular expression over what clients send, across reads (up to 1 KiB); the text of an SQL
                statement, or a Redis command in capitals, is there to be found.
            count: how often to do so; by default once, with `every` without end.
            every: cut the reply to each N-th matching request of all connections.
            reply: regular expression that the reply must match, else it is delivered: `rb"^\\*2"` for a BLMPOP
                that has found something.

        Returns: the rule, with `matched_count`, `fired_count` and `stop()`.
        """
        limit = count if count is not None or every else 1
        rule = ReplyCut(re.compile(pattern), re.compile(reply), every or 1, limit)
        self._call(lambda: self._weather.rules.append(rule))
        return rule

    def heal(self) -> None:
        """End every fault: accept, pass on, at full speed, without cutting replies."""

        def clear() -> None:
            for rule in self._weather.rules:
                rule.stop()
            self._weather.rules.clear()

        self._call(clear)
        self._change(delay_seconds=0.0, jitter_seconds=0.0, loss_probability=0.0, reset_probability=0.0)
        self._change(bytes_per_second=0.0)
        self.accept()
        self.pass_on()

    # -- inside ------------------------------------------------------------------------------------------
    def _linked(self) -> asyncio.Protocol:
        self.accepted_count += 1
        link = Link(self._loop, self.upstream, self._weather, self._links.discard)
        self._links.add(link)
        return link.requests

    def _resume(self) -> None:
        for link in list(self._links):
            link.resume()

    def _change(self, **values: float) -> None:
        def change() -> None:
            for name, value in values.items():
                setattr(self._weather, name, value)

        self._call(change)

    async def _settle_down(self) -> None:
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _call(self, function: Callable[[], T]) -> T:
        """Run a function in the proxy's thread and return what it says."""
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result(ANSWER_SECONDS)


def _bound(port: int) -> socket.socket:
    """Return a socket bound to a port that several sockets of ours may share."""
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", port))
    return place
