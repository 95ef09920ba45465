"""One connection through the proxy: two pipes, each a queue of chunks with the time at which they are let out.

Everything here runs in the proxy's thread, on its event loop.
"""

import asyncio
import random
import re
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HELD_BYTES = 256 * 1024
"""A pipe that holds more than this stops reading, as a full socket buffer would."""

TAIL_BYTES = 1024
"""How much of a client's stream is kept to find a pattern that straddles two reads."""

QUIET_SECONDS = 0.02
"""A reply of Redis, which has no end mark across a pipeline, is complete after this long without more of it."""

_READY_FOR_QUERY = re.compile(rb"Z\x00\x00\x00\x05[ITE]\Z")
_RESET = struct.pack("ii", 1, 0)

Upstream = str | Path | tuple[str, int]
"""A unix socket's path, or a host and a port."""


@dataclass
class ReplyCut:
    """A rule: the reply to some of the requests that match `pattern` is lost, together with its connection."""

    pattern: re.Pattern[bytes]
    reply: re.Pattern[bytes]
    every: int
    limit: int | None
    matched_count: int = 0
    fired_count: int = 0
    is_over: bool = False

    def counts(self, request_count: int) -> bool:
        """Take further matching requests into account, and say whether the reply to one of them is to be cut."""
        before = self.matched_count // self.every
        self.matched_count += request_count
        return not self.is_spent and self.matched_count // self.every > before

    @property
    def is_spent(self) -> bool:
        return self.is_over or (self.limit is not None and self.fired_count >= self.limit)

    def stop(self) -> None:
        """Cut no more."""
        self.is_over = True


@dataclass
class Weather:
    """What the proxy does to all connections now. Seconds, bytes per second, probabilities per chunk."""

    random: random.Random
    is_black_hole: bool = False
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    loss_probability: float = 0.0
    retransmission_seconds: float = 0.0
    reset_probability: float = 0.0
    bytes_per_second: float = 0.0
    rules: list[ReplyCut] = field(default_factory=list)

    def latency_seconds(self) -> float:
        """Return how long the next chunk is under way."""
        latency = self.delay_seconds
        if self.jitter_seconds:
            latency += self.random.uniform(0, self.jitter_seconds)
        if self.loss_probability and self.random.random() < self.loss_probability:
            latency += self.retransmission_seconds
        return latency

    def is_reset(self) -> bool:
        return bool(self.reset_probability) and self.random.random() < self.reset_probability


class Pipe(asyncio.Protocol):
    """One direction: what comes in here goes out on `sink`, later or never."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.source: asyncio.Transport | None = None
        self.other: Pipe | None = None
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._last_release = 0.0
        self.is_at_end = False
        self._is_blocked = False
        self._timer: asyncio.TimerHandle | None = None

    # -- called by asyncio -----------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.source = transport
        self.link.made(self)

    def data_received(self, data: bytes) -> None:
        if self.link.weather.is_reset():
            self.link.cut(is_reset=True)
            return
        seen = self.link.looked_at(self, data)
        if seen:
            self.hold(seen)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_at_end = True
        self.flow()
        self.link.lost()

    def pause_writing(self) -> None:
        self._block_other(True)

    def resume_writing(self) -> None:
        self._block_other(False)

    def _block_other(self, is_blocked: bool) -> None:
        if self.other is not None:
            self.other._is_blocked = is_blocked
            self.other._throttle()

    # -- the queue -------------------------------------------------------------------------------------
    def hold(self, data: bytes) -> None:
        """Put data in, and let out whatever is due."""
        weather, now = self.link.weather, self.link.loop.time()
        size = max(1, int(weather.bytes_per_second / 20)) if weather.bytes_per_second else len(data)
        for start in range(0, len(data), size):
            part = data[start : start + size]
            release = max(self._last_release, now + weather.latency_seconds())
            if weather.bytes_per_second:
                release += len(part) / weather.bytes_per_second
            self._last_release = release
            self._held.append((release, part))
            self._held_bytes += len(part)
        self.flow()

    def flow(self) -> None:
        """Write what is due, unless the connection is stalled or its other side is not there yet."""
        sink = self.other.source if self.other else None
        if self.link.is_stalled or sink is None:
            self._throttle()
            return
        now = self.link.loop.time()
        while self._held and self._held[0][0] <= now:
            _, data = self._held.popleft()
            self._held_bytes -= len(data)
            sink.write(data)
        if self._held:
            if self._timer is None or self._timer.cancelled() or self._timer.when() <= now:
                self._timer = self.link.loop.call_at(self._held[0][0], self.flow)
        elif self.is_at_end:
            sink.close()
        self._throttle()

    def _throttle(self) -> None:
        source = self.source
        if source is None or source.is_closing():
            return
        if self.link.is_stalled or self._is_blocked or self._held_bytes > HELD_BYTES:
            source.pause_reading()
        else:
            source.resume_reading()

    def end(self) -> None:
        """Drop what is held."""
        self._held.clear()
        self._held_bytes = 0
        if self._timer is not None:
            self._timer.cancel()


class Link:
    """A client's connection and its counterpart to the server."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, upstream: Upstream, weather: Weather, on_end: Callable[["Link"], None]
    ) -> None:
        self.loop, self.upstream, self.weather, self.on_end = loop, upstream, weather, on_end
        self.requests, self.replies = Pipe(self), Pipe(self)
        self.requests.other, self.replies.other = self.replies, self.requests
        self.is_frozen = False
        self.is_over = False
        self._connecting: asyncio.Task[None] | None = None
        self._is_postgresql = False
        self._tail = b""
        self._cut_by: ReplyCut | None = None
        self._reply = b""
        self._quiet: asyncio.TimerHandle | None = None

    @property
    def is_stalled(self) -> bool:
        return self.is_frozen or self.weather.is_black_hole

    def made(self, pipe: Pipe) -> None:
        """Go on once one of the two sides is connected."""
        if pipe is self.requests:
            self.resume()
        else:
            self.requests.flow()

    def resume(self) -> None:
        """Do what a stall has held up."""
        if not self.is_stalled and self._connecting is None:
            self._connecting = self.loop.create_task(self._connect())
        self.requests.flow()
        self.replies.flow()

    async def _connect(self) -> None:
        try:
            if isinstance(self.upstream, tuple):
                await self.loop.create_connection(lambda: self.replies, *self.upstream)
            else:
                await self.loop.create_unix_connection(lambda: self.replies, str(self.upstream))
        except OSError:
            self.cut(is_reset=True)

    def cut(self, *, is_reset: bool = False) -> None:
        """Close both sides at once; what is under way is lost."""
        if self.is_over:
            return
        self.is_over = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._quiet is not None:
            self._quiet.cancel()
        for pipe in (self.requests, self.replies):
            pipe.end()
            if pipe.source is not None:
                if is_reset and pipe is self.requests:
                    pipe.source.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                pipe.source.abort()
        self.on_end(self)

    def lost(self) -> None:
        """Take notice that a side is closed; the other one follows as soon as it has been told everything."""
        if self.requests.is_at_end and self.replies.is_at_end and not self.is_over:
            self.is_over = True
            self.on_end(self)

    # -- cutting replies -------------------------------------------------------------------------------
    def looked_at(self, pipe: Pipe, data: bytes) -> bytes:
        """Return what of the data goes on now: all, unless it belongs to a reply that may have to be cut."""
        if pipe is self.requests:
            self._look_for_requests(data)
        elif self._cut_by is not None:
            self._keep_reply(data)
            return b""
        return data

    def _look_for_requests(self, data: bytes) -> None:
        if not self._tail:
            self._is_postgresql = data.startswith(b"\x00\x00")  # a start-up packet begins with its length
        text = self._tail + data
        rest = 0
        for rule in self.weather.rules:
            matches = list(rule.pattern.finditer(text))
            if matches:
                rest = max(rest, matches[-1].end())
                if rule.counts(len(matches)) and self._cut_by is None:
                    self._cut_by = rule
        # never empty again, and never matched twice
        self._tail = text[max(rest, len(text) - TAIL_BYTES) :] or b"\n"

    def _keep_reply(self, data: bytes) -> None:
        self._reply += data
        if self._is_postgresql:
            if _READY_FOR_QUERY.search(self._reply):
                self._judge_reply()
            return
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = self.loop.call_later(QUIET_SECONDS, self._judge_reply)

    def _judge_reply(self) -> None:
        rule, reply = self._cut_by, self._reply
        self._cut_by, self._reply = None, b""
        assert rule is not None
        if rule.is_spent or not rule.reply.search(reply):
            self.replies.hold(reply)
            return
        rule.fired_count += 1
        self.cut()
