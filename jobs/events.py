"""What happened: one value per batch, emitted once after the commit.

Metrics, live pages, logs and the dispatcher are listeners, one file each. A listener that raises is logged and never
harms the work that it listens to.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

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
class JobsEnqueued:
    """Which jobs entered the ledger; only while somebody wants to know them one by one."""

    jobs: tuple[tuple[UUID, str, str], ...]  # (id, task, queue)


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
    duration_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class JobsSettled:
    """Attempts ended and jobs moved on."""

    worker: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class JobsCancelled:
    """Jobs were cancelled without the end of a run."""

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
    """Hand the event to its listeners once the ledger's transaction has committed; at once outside one.

    Jobs that were enqueued one after the other are then one event, so that their messages go out in one batch.
    """
    connection = connections[get_settings().database]
    hook = _last_hook(connection) if connection.in_atomic_block else None
    if hook is None:
        transaction.on_commit(_AfterCommit(event), using=connection.alias, robust=True)
    else:
        hook.events.append(event)


def _last_hook(connection: BaseDatabaseWrapper) -> "_AfterCommit | None":
    """Return the transaction's last hook if it will run, or be dropped, exactly when one that is made now would.

    Django keeps each hook with the savepoints in which it was made. Those that have ended roll nothing back any more;
    so hooks with the same open ones have the same fate, and become one. Not inside a TestCase, where Django tells by
    their number which hooks are new (`captureOnCommitCallbacks`).
    """
    hooks: list[Any] = connection.run_on_commit
    if not hooks or getattr(connection.atomic_blocks[0], "_from_testcase", False):
        return None
    open_ids = set(connection.savepoint_ids)

    def fate(index: int) -> set[str] | None:
        savepoint_ids, hook = hooks[index][:2]
        return savepoint_ids & open_ids if isinstance(hook, _AfterCommit) else None

    if len(hooks) > 1 and fate(-1) is not None and fate(-1) == fate(-2):
        hooks[-2][1].events += hooks.pop()[1].events
    last: _AfterCommit | None = hooks[-1][1] if fate(-1) == open_ids else None
    return last


class _AfterCommit:
    """Events of one transaction that happen together or, if a savepoint is rolled back, not at all."""

    def __init__(self, event: object) -> None:
        self.events = [event]

    def __call__(self) -> None:
        refs: list[tuple[UUID, int, str, int, str]] = []
        counts: Counter[str] = Counter()
        others: list[object] = []
        for event in self.events:
            match event:
                case JobsPublishable():
                    refs += event.refs
                case JobsInserted():
                    counts.update(dict(event.counts))
                case _:
                    others.append(event)
        if refs:  # the first of all: somebody waits for these
            emit(JobsPublishable(tuple(refs)))
        if counts:
            emit(JobsInserted(tuple(sorted(counts.items()))))
        for event in others:
            emit(event)
