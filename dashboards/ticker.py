"""One ticker per ASGI process: takes snapshots and hands them to every open WebSocket."""

import asyncio
import logging
import secrets
import time
from contextlib import suppress

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from dashboards import snapshot
from dashboards.feed import Feed

logger = logging.getLogger("dashboards.ticker")

SHORTEST_SECONDS = 1.0
"""Least time between two snapshots."""

IDLE_SECONDS = 2.0
"""Time after which a snapshot is taken although nothing was heard: heartbeats and ages change as well."""


current = database_sync_to_async(snapshot.current, thread_sensitive=False)


class Ticker:
    """Runs while at least one WebSocket is open, on the event loop of the first."""

    def __init__(self) -> None:
        # a name of its own: with a shared channel layer, each process still serves its own sockets only
        self.group = f"queuehub.live.{secrets.token_hex(8)}"
        self.socket_count = 0
        self.dropped_count = 0
        """Snapshots that a socket missed."""
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()

    def join(self) -> None:
        """Count one more WebSocket; the first starts the ticker."""
        self.socket_count += 1
        if self._task is None:
            self._heard = asyncio.Event()
            self._task = asyncio.create_task(self._run())

    async def leave(self) -> None:
        """Count one WebSocket less; the last stops the ticker."""
        self.socket_count -= 1
        if self.socket_count == 0 and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        heard, loop = self._heard, asyncio.get_running_loop()
        feed = Feed(lambda: loop.call_soon_threadsafe(heard.set))
        feed.start()
        try:
            while True:
                heard.clear()
                spent_seconds = await self._tick()
                await asyncio.sleep(max(SHORTEST_SECONDS, spent_seconds / snapshot.LOAD_SHARE))
                with suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), IDLE_SECONDS - SHORTEST_SECONDS)
        finally:
            feed.stop()

    async def _tick(self) -> float:
        started = time.monotonic()
        try:
            text = await current(SHORTEST_SECONDS / 2)
            message = {"type": "live.snapshot", "text": text, "number": self._number + 1}
            await get_channel_layer().group_send(self.group, message)
            self._number += 1
        except Exception:
            self.dropped_count += self.socket_count
            logger.exception("no snapshot")
        return time.monotonic() - started


ticker = Ticker()
"""The ticker of this process."""
