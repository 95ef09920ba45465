"""What a system has to offer for its jobs to be counted after a fault: one small module per system, in `peers/`.

These run in the interpreter of their own system, started by `client.py`; the runner never imports them. Each module
has a function `survivor()`; the variant of the configuration is in the environment, because workers import it too.
"""

import os
from abc import ABC, abstractmethod
from typing import ClassVar

FAILED = "recorded as failed"
"""The place of jobs that the system will not run again by itself, and shows to an operator."""

QUEUE = "queue"
"""The place of jobs that a free worker takes next."""

OWN_RECORD = "in no queue or registry, only its own record"
"""The place of jobs that are still stored, though nothing that the system looks through names them."""

VARIANT = os.environ.get("SURVIVAL_VARIANT", "")
WORKER_COUNT = 2


class Survivor(ABC):
    """One system in one configuration. A job is known by its key, a short string without spaces."""

    configuration: str
    """How it is set up, for the report."""

    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions the report names."""

    def prepare(self) -> None:
        """Make the system's tables in its empty database."""

    @abstractmethod
    def enqueue(self, key: str, journal: str, milliseconds: float) -> None:
        """Enqueue one `work.job` in the way that an application does; to return is to acknowledge."""

    @abstractmethod
    def held(self) -> dict[str, list[str]]:
        """Return the keys of the jobs that the system knows and has not recorded as done, by place."""

    @abstractmethod
    def workers(self) -> list[list[str]]:
        """Return one command for each of `WORKER_COUNT` workers with one slot each."""

    def companions(self) -> list[list[str]]:
        """Return the commands of what has to run beside the workers on the same host."""
        return []
