"""A server that does not answer in time is left alone until a thread of its own has heard from it again.

Without this, every enqueue, receive and heartbeat of a process would wait for a time-out of its own while Redis is
frozen or a network swallows packets. A server that refuses at once costs nobody time and is asked as ever.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer

from jobs.errors import TransportUnavailable

PAUSE_SECONDS = 1.0
"""Time between two questions whether the server is there again."""

SLOW_SECONDS = 1.0
"""An error that takes longer than this to come is silence, whatever it is called."""


class Silence:
    """What this process knows of one server's silence. Safe for threads."""

    def __init__(self) -> None:
        self.is_on = False
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    @contextmanager
    def heed(self, server: "Redis") -> Iterator[None]:
        """Refuse at once while the server is silent; let one that falls silent be listened to.

        Raises: TransportUnavailable for whatever goes wrong on the way to Redis.
        """
        if self.is_on:
            raise TransportUnavailable("Redis did not answer in time; it is asked again every second")
        begun = time.monotonic()
        try:
            yield
        except (RedisError, OSError) as error:
            if _is_silence(error, begun):
                self._begin(server)
            raise TransportUnavailable(f"Redis: {type(error).__name__}: {error}") from error

    def end(self) -> None:
        """Listen no more, because the connections are closed."""
        self._is_over.set()

    def _begin(self, server: "Redis") -> None:
        with self._lock:
            if not self.is_on and not self._is_over.is_set():
                self.is_on = True
                threading.Thread(target=self._listen, args=(server,), name="redis-silence", daemon=True).start()

    def _listen(self, server: "Redis") -> None:
        while not self._is_over.is_set():
            begun = time.monotonic()
            try:
                server.ping()
            except (RedisError, OSError) as error:
                if _is_silence(error, begun):
                    self._is_over.wait(PAUSE_SECONDS)
                    continue
            break
        self.is_on = False


def _is_silence(error: Exception, begun: float) -> bool:
    return isinstance(error, NoAnswer) or time.monotonic() - begun > SLOW_SECONDS
