"""What happened: one value per batch, emitted once after the commit.

Metrics, live pages, logs and the dispatcher are listeners, one file each. A listener that raises is logged and never
harms the work that it listens to.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import transaction

from jobs.conf import get_settings

logger = logging.getLogger("jobs.events")


@dataclass(frozen=True, slots=True)
class JobsPublishable:
    """Rows were committed as published; their messages must go out now. `refs`: (id, seq, queue, priority, task)."""

    refs: tuple[tuple[UUID, int, str, int, str], ...]


@dataclass(frozen=True, slots=True)
class JobsInserted:
    """Jobs entered the ledger."""

    counts: tuple[tuple[str, int], ...]  # (queue, number)


@dataclass(frozen=True, slots=True)
class JobsClaimed:
    """A worker claimed a batch."""

    worker: str
    counts: tuple[tuple[str, int], ...]


class Change(NamedTuple):
    """One job's move."""

    job_id: UUID
    task: str
    queue: str
    state: str
    outcome: str  # of the attempt; empty if none ended
    attempt: int


@dataclass(frozen=True, slots=True)
class JobsSettled:
    """Attempts ended and jobs moved on."""

    worker: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class JobsOperated:
    """An operator changed jobs."""

    action: str
    actor: str
    job_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class WorkersChanged:
    """Workers started, stopped or were lost."""

    workers: tuple[str, ...]
    state: str


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """A queue was paused or resumed."""

    queue: str
    is_paused: bool


@dataclass(frozen=True, slots=True)
class OperationChanged:
    """A bulk operation was started, went on or ended."""

    operation_id: int
    verb: str
    state: str
    expected: int
    changed: int
    skipped: int
    failed: int


E = TypeVar("E")
_listeners: dict[type, list[Callable[[Any], None]]] = defaultdict(list)


def subscribe(kind: type[E], listener: Callable[[E], None]) -> None:
    """Call `listener` with each event of `kind`; a second subscription of the same listener changes nothing."""
    if listener not in _listeners[kind]:
        _listeners[kind].append(listener)


def emit(event: object) -> None:
    """Hand the event to its listeners, now."""
    for listener in _listeners[type(event)]:
        try:
            listener(event)
        except Exception:
            logger.exception("listener %s failed on %s", listener, type(event).__name__)


def emit_on_commit(event: object) -> None:
    """Hand the event to its listeners once the ledger's transaction has committed; at once outside one."""
    transaction.on_commit(partial(emit, event), using=get_settings().database, robust=True)
