"""What a system has to offer to be measured: one small adapter per system, in `peers/`.

Adapters run in the interpreter of their own system, started by `client.py`; the runner never imports them.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

Call = tuple[Any, ...]
"""The positional arguments of one job."""

BATCH = 1000
"""How many jobs are enqueued at once."""


class Adapter(ABC):
    """One system in one configuration. `task` is the name of a function of `work.py`."""

    configuration: ClassVar[str]
    """How it is set up, for the report."""

    bulk: ClassVar[str]
    """How it enqueues many jobs at once, for the report."""

    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions the report names."""

    def prepare(self) -> None:
        """Make the system's tables, and leave no job in them; the runner has emptied Redis."""

    @abstractmethod
    def enqueue(self, task: str, call: Call) -> None:
        """Enqueue one job in the way that an application does."""

    @abstractmethod
    def enqueue_many(self, task: str, calls: Sequence[Call]) -> None:
        """Enqueue jobs in the fastest way that the system documents."""

    @abstractmethod
    def is_drained(self) -> bool:
        """Say whether no job waits or runs, as cheaply as the system can tell."""

    def succeeded_count(self) -> int | None:
        """Return how many jobs have succeeded since `prepare`, if the system keeps count: a check on its drains."""
        return None

    @abstractmethod
    def workers(self, process_count: int) -> list[list[str]]:
        """Return the commands that together run jobs in `process_count` processes."""

    def companions(self) -> list[list[str]]:
        """Return the commands of what has to run beside the workers."""
        return []


class Ledger(Adapter):
    """A system that keeps its jobs in SQL, so that its tables grow."""

    piles_up_by_hand = False
    """Whether `pile_up` writes into the tables, so that its rate says nothing about the system."""

    @abstractmethod
    def succeeded_count(self) -> int:
        """See Adapter.succeeded_count()."""

    @abstractmethod
    def grow(self, count: int) -> None:
        """Write so many more succeeded jobs straight into the tables, with all that a run leaves behind."""

    @abstractmethod
    def analyze(self) -> None:
        """Let the database gather the statistics by which it plans."""

    def pile_up(self, count: int) -> None:
        """Enqueue so many no-op jobs; systems that enqueue a thousand in seconds write them into the tables."""
        for start in range(0, count, BATCH):
            self.enqueue_many("noop", [()] * min(BATCH, count - start))


def program(name: str) -> str:
    """Return the path of a program that is installed in this interpreter's environment."""
    return f"{sys.prefix}/bin/{name}"
