"""Listens to the engine's live feed and says that something happened; what it was is read from the ledger."""

import threading
from collections.abc import Callable

from redis.exceptions import RedisError

from jobs.live import CHANNEL
from jobs.transports import get_transport
from jobs.transports.rq import RQTransport

POLL_SECONDS = 0.5
"""How long it takes at most to notice that the feed shall stop."""

PAUSE_SECONDS = 2.0
"""Time between two attempts to reach Redis."""


class Feed(threading.Thread):
    """One subscription to the channel of events; without it, pages are refreshed by the clock alone."""

    def __init__(self, on_event: Callable[[], object]) -> None:
        super().__init__(name="live-feed", daemon=True)
        self._on_event = on_event
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end; it does within `POLL_SECONDS`."""
        self._stopping.set()

    def run(self) -> None:
        transport = get_transport()
        if not isinstance(transport, RQTransport):
            return
        while not self._stopping.is_set():
            try:
                self._listen(transport)
            except (RedisError, OSError):
                self._stopping.wait(PAUSE_SECONDS)

    def _listen(self, transport: RQTransport) -> None:
        with transport.client().pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(CHANNEL)
            while not self._stopping.is_set():
                if channel.get_message(timeout=POLL_SECONDS) is not None and not self._stopping.is_set():
                    self._on_event()
