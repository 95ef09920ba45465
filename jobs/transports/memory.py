"""The transport of tests: queues in this process's memory, with the faults of a real broker on request."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import ClassVar

from jobs.errors import TransportUnavailable
from jobs.transports.base import Delivery, Message, Published, Transport


class MemoryTransport(Transport):
    """Keeps messages in deques. `is_down` makes every call fail; `lose_all()` does what FLUSHALL does."""

    can_list: ClassVar[bool] = True
    can_return: ClassVar[bool] = True

    def __init__(self) -> None:
        self._queues: dict[str, deque[Message]] = defaultdict(deque)
        self._arrival = threading.Condition()
        self.is_down = False

    def publish(self, messages: Sequence[Message], *, at_front: bool = False) -> Published:
        with self._arrival:
            self._check()
            for message in reversed(messages) if at_front else messages:
                waiting = self._queues[message.queue]
                waiting.appendleft(message) if at_front else waiting.append(message)
            self._arrival.notify_all()
            return Published(depths={m.queue: len(self._queues[m.queue]) for m in messages})

    def receive(self, queues: Sequence[str], limit: int, wait_seconds: float) -> list[Delivery]:
        deadline = time.monotonic() + wait_seconds
        with self._arrival:
            while True:
                self._check()
                for queue in queues:
                    if self._queues[queue]:
                        return [self._pop(queue) for _ in range(min(limit, len(self._queues[queue])))]
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return []
                self._arrival.wait(remaining)

    def _pop(self, queue: str) -> Delivery:
        waiting = self._queues[queue]
        best = max(range(len(waiting)), key=lambda index: (waiting[index].priority > 0, -index))
        message = waiting[best]
        del waiting[best]
        return Delivery(queue=queue, job_id=message.job_id, message_id=message.id, receipt=message)

    def settle(self, acknowledged: Iterable[Delivery], returned: Iterable[Delivery] = ()) -> None:
        with self._arrival:
            self._check()
            for delivery in reversed(list(returned)):
                self._queues[delivery.queue].appendleft(delivery.receipt)
            self._arrival.notify_all()

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        with self._arrival:
            self._check()
            return {queue: len(self._queues[queue]) for queue in queues}

    def queue_names(self) -> set[str]:
        with self._arrival:
            self._check()
            return set(self._queues)

    def list_ids(self, queue: str) -> set[str]:
        with self._arrival:
            self._check()
            return {message.id for message in self._queues[queue]}

    def lose_all(self) -> None:
        """Forget every message."""
        with self._arrival:
            self._queues.clear()

    def ping(self) -> float:
        self._check()
        return 0.0

    def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.is_down:
            raise TransportUnavailable("the memory transport was switched off")
