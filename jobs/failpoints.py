"""Failpoints: named places, one beside each durable step, at which a test makes a process fail.

Armed by the environment of a process, and only at its start:

    QUEUEHUB_FAILPOINTS="settle.committed=kill:every=200,dispatch.taken=sleep=2"

is a list of `name=action[=value][:condition=value]…`. All conditions of a point must hold:

    kill         SIGKILL to this process          every=N        each N-th passage in this process
    exit[=CODE]  end without any cleaning up      after=N        not the first N passages
    stop         SIGSTOP to this process          probability=P  by chance; seed=N makes it repeatable
    sleep=S      wait S seconds                   once=FILE      only who creates this file: one process of all, once
    raise[=E]    raise FailpointError, OperationalError or TransportUnavailable

Each firing writes a line to standard error. Unarmed, `reach` is an empty function: some 30 ns per call, and nearly
all calls are one per batch.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from jobs.errors import FailpointError, TransportUnavailable

VARIABLE = "QUEUEHUB_FAILPOINTS"

POINTS = {
    # name: (the durable step behind it, the durable step before it)
    "enqueue.inserted": ("the rows are inserted", "the caller's commit, if there is a transaction"),
    "enqueue.committed": ("the rows are committed as published", "their messages are sent"),
    "publish.sent": ("one server has the messages of its queues", "the next server gets its own"),
    "dispatch.taken": ("unpublished rows are marked as published", "their messages are sent"),
    "dispatch.sent": ("the messages of a batch are sent", "the sender learns how much room is left"),
    "dispatch.refused": ("messages could not be sent", "their rows are marked as unpublished"),
    "dispatch.unpublished": ("the rows of unsent messages are marked as unpublished", "another try"),
    "receive.popped": ("ids are popped off the transport", "their rows are claimed"),
    "claim.committed": ("rows are claimed", "the worker has them on its desk"),
    "receive.put": ("claimed runs are on the desk", "their messages are acknowledged"),
    "receive.acknowledged": ("messages are acknowledged", "runs that were refused are looked at"),
    "run.taken": ("a run is off the desk", "it is on the board"),
    "run.begun": ("a run is on the board", "its first instruction"),
    "run.ended": ("the task has returned or raised", "the board says so"),
    "run.handed_over": ("the board says that the run has ended", "the settler has it"),
    "settle.taken": ("the settler has a batch", "its statement"),
    "settle.judged": ("the batch's new states are known", "its statement"),
    "settle.moved": ("states are written", "attempts are written, in the same transaction"),
    "settle.recorded": ("attempts are written", "statistics are written, in the same transaction"),
    "settle.counted": ("statistics are written", "the commit"),
    "settle.committed": ("the settlement is committed", "the worker knows it"),
    "settle.noted": ("the worker has forgotten the settled batch", "the next one"),
    "atomic.settled": ("an atomic task's success is written", "the commit of its effects with it"),
    "atomic.committed": ("an atomic task's transaction is committed", "the worker knows it"),
    "release.moved": ("unbegun claims are given back", "the commit"),
    "republish.moved": ("unbegun claims are given back as published", "the commit"),
    "republish.committed": ("claims were given back as published", "their messages are sent"),
    "lose.marked": ("a dead worker's row says so", "its jobs are moved, in the same transaction"),
    "lose.batch": ("a batch of a dead worker's jobs is moved", "the next batch or the commit"),
    "pool.forked": ("a worker process exists", "its parent knows it"),
    "pool.reaped": ("the parent has reaped a dead worker", "it has read the worker's board"),
    "pool.burying": ("the parent knows what a dead worker left", "the ledger knows it"),
    "pool.buried": ("the ledger knows of the dead worker", "the parent forgets it"),
    "heartbeat.written": ("a heartbeat is written", "its answer is read"),
    "worker.enrolled": ("the worker's row is written", "its parent sees it"),
    "worker.leaving": ("the worker's last run is settled", "its row says that it has stopped"),
    "scheduler.elected": ("the lease is taken", "the first step as the leader"),
    "scheduler.stepped": ("one step of the leader is done", "the next one"),
    "due.promoted": ("due jobs are moved to queued", "the commit"),
    "due.expired": ("expired jobs are cancelled", "the commit"),
    "schedule.fired": ("a schedule's job and firing are written", "its next time and the commit"),
    "schedule.committed": ("a firing is committed", "the next schedule's turn"),
    "repair.found": ("a worker is known to be lost", "its jobs are moved"),
    "repair.compared": ("messages are known to be missing", "their rows are marked as unpublished"),
    "repair.cleared": ("rows of missing messages are marked as unpublished", "what is left of the messages goes"),
    "retention.attempts_deleted": ("attempts of old jobs are deleted", "the jobs, in the same transaction"),
    "retention.committed": ("old jobs of one state are deleted", "the next state"),
    "fold.added": ("raw statistics are added to their sums", "they are deleted, in the same transaction"),
    "operate.written": ("an operator's batch is changed and audited", "the commit"),
    "operate.committed": ("an operator's batch is committed", "the next batch, or the answer"),
}  # fmt: skip
"""Every failpoint. A test compares it with the code."""

_ERRORS: dict[str, type[Exception]] = {
    "FailpointError": FailpointError,
    "OperationalError": OperationalError,
    "TransportUnavailable": TransportUnavailable,
}


def _nothing(text: str) -> None:
    if text:
        raise ValueError(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _probability(text: str) -> float:
    if not 0 < float(text) <= 1:
        raise ValueError(text)
    return float(text)


def _path(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


# each turns the text behind the sign into what it means; a ValueError or KeyError says that it means nothing
_ACTIONS: dict[str, Callable[[str], Any]] = {
    "kill": _nothing,
    "stop": _nothing,
    "exit": lambda text: int(text or 1),
    "sleep": _seconds,
    "raise": lambda text: _ERRORS[text or "FailpointError"],
}
_CONDITIONS: dict[str, Callable[[str], Any]] = {
    "every": _positive,
    "after": _positive,
    "probability": _probability,
    "seed": int,
    "once": _path,
}


@dataclass(slots=True, kw_only=True)
class Failpoint:
    """One armed point."""

    name: str
    action: str
    value: Any
    every: int = 1
    after: int = 0
    probability: float = 1.0
    seed: int | None = None
    once: str = ""
    passage_count: int = 0
    chance: Callable[[], float] = field(init=False)

    def __post_init__(self) -> None:
        # without a seed the module's own generator, which a forked child seeds anew
        self.chance = random.random if self.seed is None else random.Random(self.seed).random  # nosec B311

    def is_due(self) -> bool:
        """Count one passage, and say whether it is one at which the point fires."""
        self.passage_count += 1
        counted = self.passage_count - self.after
        if counted < 1 or counted % self.every or self.chance() >= self.probability:
            return False
        return not self.once or _is_created(self.once)

    def fire(self) -> None:
        """Do what the point is armed for."""
        # not by logging, whose lock the point may stand in, nor buffered, because the process may end now
        os.write(2, f"failpoint {self.name}: {self.action} in process {os.getpid()}\n".encode())
        if self.action == "raise":
            raise self.value(f"failpoint {self.name}")
        if self.action == "sleep":
            time.sleep(self.value)
        elif self.action == "exit":
            os._exit(self.value)
        else:
            os.kill(os.getpid(), signal.SIGKILL if self.action == "kill" else signal.SIGSTOP)


class Failpoints:
    """The armed points of a process."""

    def __init__(self, points: Iterable[Failpoint]) -> None:
        self._points = {point.name: point for point in points}
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        """Pass a failpoint: if it is armed, and all its conditions hold, it fires.

        Raises: what the point is armed to raise.
        """
        point = self._points.get(name)
        if point is None:
            return
        with self._lock:
            is_due = point.is_due()
        if is_due:
            point.fire()


def read(text: str) -> list[Failpoint]:
    """Read what the environment variable holds.

    Raises: ImproperlyConfigured with the part that cannot be read, and why.
    """
    points: dict[str, Failpoint] = {}
    for part in filter(None, text.split(",")):
        name, _, rest = part.partition("=")
        name = name.strip()
        if name not in POINTS:
            _refuse(part, f"there is no failpoint {name!r}; known are {', '.join(POINTS)}")
        if name in points:
            _refuse(part, "it is armed twice")
        (action, value), *conditions = [_meant(part, word) for word in rest.split(":")]
        if action not in _ACTIONS or any(key not in _CONDITIONS for key, _ in conditions):
            _refuse(part, f"use {', '.join(_ACTIONS)}, then any of {', '.join(_CONDITIONS)}")
        points[name] = Failpoint(name=name, action=action, value=value, **dict(conditions))
    return list(points.values())


def _meant(part: str, word: str) -> tuple[str, Any]:
    key, _, text = word.strip().partition("=")
    try:
        return key, {**_ACTIONS, **_CONDITIONS}.get(key, str)(text)
    except (ValueError, KeyError):
        return _refuse(part, f"{text!r} means nothing for {key}")


def _refuse(part: str, why: str) -> NoReturn:
    raise ImproperlyConfigured(f"{VARIABLE}: {part!r} cannot be armed: {why}")


def _is_created(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _pass_by(name: str) -> None:
    """Pass a failpoint that nobody has armed."""


armed = read(os.environ.get(VARIABLE, ""))
"""The points that are armed in this process."""

reach: Callable[[str], None] = Failpoints(armed).reach if armed else _pass_by
"""Say that a process is at a failpoint; the name is one of POINTS."""
