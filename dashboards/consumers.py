"""The WebSocket of the pages: it only shows, nothing is ever changed over it."""

import time
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from dashboards import snapshot
from dashboards.access import may_look
from dashboards.ticker import ticker
from jobs.conf import get_settings

MESSAGE_LIMIT = 1024
"""Most characters of a message from a browser; ours send none."""

RECHECK_SECONDS = 5.0
"""About how long a socket outlives the end of its session or the loss of a permission."""

REFUSED, CROWDED, TOO_BIG, LATER = 4403, 4429, 1009, 1013


class LiveConsumer(AsyncWebsocketConsumer):
    """Sends every snapshot of the process's ticker."""

    has_joined = False
    checked_at = 0.0
    last_number = 0
    """Of the last snapshot that came."""

    async def __call__(self, *arguments: Any) -> None:
        try:
            await super().__call__(*arguments)
        finally:  # an exception or the server's end calls no disconnect()
            await self._leave()

    async def connect(self) -> None:
        limit = get_settings().live_sockets
        if ticker.socket_count >= limit:  # costs no query
            await self.close(CROWDED)
        elif not await self._may_look():
            await self.close(REFUSED)
        elif ticker.socket_count >= limit:
            await self.close(CROWDED)
        else:
            # before anything else is waited for: a thousand at once are counted like a thousand in a row
            self.has_joined = True
            ticker.join()
            await self.accept()
            await self.channel_layer.group_add(ticker.group, self.channel_name)
            await self.send(await database_sync_to_async(snapshot.current, thread_sensitive=False)())

    async def disconnect(self, code: int) -> None:
        await self._leave()

    async def _leave(self) -> None:
        if self.has_joined:
            self.has_joined = False
            await self.channel_layer.group_discard(ticker.group, self.channel_name)
            await ticker.leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if len(text_data or bytes_data or "") > MESSAGE_LIMIT:
            await self.close(TOO_BIG)
        else:
            await self._recheck()

    async def live_snapshot(self, event: dict[str, Any]) -> None:
        """Pass a snapshot on; a gap in the numbers means that the channel was full, because the browser is too slow."""
        if self.last_number:
            ticker.dropped_count += event["number"] - self.last_number - 1
        self.last_number = event["number"]
        if time.monotonic() - self.checked_at < RECHECK_SECONDS or await self._recheck():
            await self.send(event["text"])

    async def _recheck(self) -> bool:
        """Close the socket, and return False, unless its user may still look."""
        try:
            is_allowed = await self._may_look()
        except DatabaseError:  # nobody can say: the page falls back to polling and says that it is stale
            await self.close(LATER)
            return False
        if not is_allowed:
            await self.close(REFUSED)
        return is_allowed

    async def _may_look(self) -> bool:
        self.checked_at = time.monotonic()
        # session and user as they are in the database now, not as they were at the handshake
        session = self.scope["session"]
        user = await get_user({"session": session.__class__(session.session_key)})
        return await database_sync_to_async(may_look)(user)
