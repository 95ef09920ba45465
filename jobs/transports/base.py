"""The seam between the ledger and a broker: the contract that every transport keeps.

A transport carries hints, never data: a message is a job's id and a sequence number. It may lose, repeat or reorder
messages; the ledger repairs the first and refuses the second. It needs no delay, retry, priority or dead letters of
its own. It knows no models. `tests/transports/contract.py` is the suite that each one passes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out: run this job, published for the `seq`-th time."""

    job_id: UUID
    seq: int
    queue: str
    priority: int = 0
    task: str = ""
    """Only for people who look at the broker."""

    @property
    def id(self) -> str:
        return f"{self.job_id}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came in. Exactly one of `job_id` and `plain` is set."""

    queue: str
    job_id: UUID | None = None
    message_id: str = ""
    receipt: Any = None
    """What the transport needs to acknowledge or return it."""
    plain: "Callable[[], None] | None" = None
    """Work of another library that shares the broker and was allowed by name; runs once and raises nothing."""


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing a batch."""

    failed: tuple[Message, ...] = ()
    depths: dict[str, int] = field(default_factory=dict)
    """Messages on each queue that was published to, right afterwards."""


class Transport(ABC):
    """A broker. Methods may block for a network round trip and raise `TransportUnavailable`, nothing else.

    Safe for use by several threads; `close()` before a fork, connections open again by themselves.
    """

    can_list: ClassVar[bool] = False
    """Can tell which messages a queue holds."""

    can_return: ClassVar[bool] = False
    """Can put a delivery back to the head of its queue."""

    dropped_count: int = 0
    """Damaged or forged messages dropped by this process."""

    @abstractmethod
    def publish(self, messages: Sequence[Message], *, at_front: bool = False) -> Published:
        """Send a batch in as few round trips as possible; `at_front` asks for the head of the queue, in this order."""

    @abstractmethod
    def receive(self, queues: Sequence[str], limit: int, wait_seconds: float) -> list[Delivery]:
        """Return up to `limit` deliveries from the first of `queues` that has any, higher priority first.

        Blocks for at most `wait_seconds` and returns an empty list then.
        """

    @abstractmethod
    def settle(self, acknowledged: Iterable[Delivery], returned: Iterable[Delivery] = ()) -> None:
        """Forget the acknowledged deliveries and put the returned ones back, in their former order."""

    @abstractmethod
    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many messages each queue holds."""

    @abstractmethod
    def queue_names(self) -> set[str]:
        """Return the queues that the broker knows."""

    def list_ids(self, queue: str) -> set[str]:
        """Return the ids of all messages of a queue (`can_list`)."""
        raise NotImplementedError

    def forget(self, message_ids: Iterable[str]) -> None:
        """Remove what the broker may still keep of messages that are not on a queue any more."""

    def register_worker(self, name: str, queues: Sequence[str], state: str) -> None:
        """Show a worker (`state`: "idle", "busy") to the broker's own tools; repeated as a heartbeat."""

    def unregister_worker(self, name: str, queues: Sequence[str]) -> None:
        """Take a worker out of the broker's own tools."""

    @abstractmethod
    def ping(self) -> float:
        """Return the seconds of one round trip."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections of this process."""
