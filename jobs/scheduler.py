"""The scheduler's loop: who holds the lease promotes, publishes, fires, repairs and tidies up, in small
steps.

A step that fails is tried again later and never stops the others; nothing that fails ends the loop.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from django.db import Error as DatabaseError

from jobs import declared, dispatcher, failures, lifecycle, logs, operations, reconciler, schedules, statistics
from jobs.failpoints import reach
from jobs.heartbeat_file import HeartbeatFile
from jobs.lease import Lease
from jobs.lifecycle.due import expire, promote_due
from jobs.lifecycle.retention import delete_old
from jobs.notifications import alerts, gathering, notices

logger = logging.getLogger("jobs.scheduler")

BUSY_SECONDS = 0.2
IDLE_SECONDS = 0.5
STANDBY_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 10.0
LEASE_CHECK_SECONDS = 0.4
"""A leader that has not asked for its lease for this long asks before its next step."""

LEADING = ("scheduler.leader", "%s leads")
FOLLOWING = ("scheduler.follower", "%s does not lead any more")

MAX_LOAD = 0.1
"""A step that takes long, because the ledger is large, runs more seldom: it gets this share of the time."""


@dataclass
class Step:
    """One thing that a leader does again and again."""

    name: str
    act: Callable[[], int]
    every_seconds: float = 0.0
    batch: int = 0
    """A result of at least this many means that there is more to do at once; 0: never."""
    next_at: float = 0.0
    failure_count: int = 0
    last_error: str = ""

    def run(self) -> int | None:
        """Act, and return how much there was to do; None if it failed."""
        began_at = time.monotonic()
        try:
            count = self.act()
        except Exception as error:  # isolated: see the module's docstring
            self._failed(error)
            return None
        ended_at = time.monotonic()
        if self.failure_count:
            logger.info("%s: works again after %d failures", self.name, self.failure_count)
            self.failure_count, self.last_error = 0, ""
        has_more = 0 < self.batch <= count
        pause_seconds = max(self.every_seconds, (ended_at - began_at) / MAX_LOAD) if self.every_seconds else 0
        self.next_at = ended_at if has_more else ended_at + pause_seconds
        return count

    def _failed(self, error: Exception) -> None:
        """Wait longer after each failure; say it once for each kind of error."""
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        if kind != self.last_error:
            logger.error("%s: %s: %s; will be tried again", self.name, kind, error, exc_info=not _is_outage(error))
        self.failure_count, self.last_error = self.failure_count + 1, kind
        self.next_at = time.monotonic() + min(0.25 * 2 ** min(self.failure_count, 10), MAX_BACKOFF_SECONDS)
        if isinstance(error, DatabaseError):  # the connection may be what is broken
            lifecycle.drop_connection()


def _is_outage(error: Exception) -> bool:
    return lifecycle.is_ledger_away(error) or isinstance(error, ConnectionError)


def leader_steps() -> list[Step]:
    """Return what a leader does, in the order of a round."""
    watch = reconciler.Reconciler()
    return [
        Step("promote due jobs", promote_due, batch=1000),
        Step("fire schedules", schedules.fire_due, batch=100),
        Step("publish", dispatcher.top_up),
        Step("bulk operations", operations.advance, batch=1),
        Step("repair workers", watch.repair_workers, every_seconds=2),
        Step("repair messages", reconciler.repair_messages, every_seconds=2),
        Step("expire", expire, every_seconds=5, batch=1000),
        Step("fold statistics", statistics.fold, every_seconds=10, batch=statistics.FOLD_BATCH),
        Step("gather failures", gathering.gather, every_seconds=2, batch=failures.FOLD_BATCH),
        Step("name failures", failures.name_unnamed, every_seconds=30, batch=failures.NAME_BATCH),
        Step("watch for alerts", alerts.watch, every_seconds=30),
        Step("tell of failures", notices.send_due, every_seconds=5),
        Step("delete old jobs", delete_old, every_seconds=60, batch=500),
        Step("delete old statistics", statistics.delete_old, every_seconds=60, batch=5000),
        Step("delete old firings", schedules.delete_old_runs, every_seconds=60, batch=5000),
        Step("delete old failures", failures.delete_old, every_seconds=60, batch=1000),
        Step("delete old notices", notices.delete_old, every_seconds=3600),
        Step("delete old operations", operations.delete_old, every_seconds=60, batch=5000),
        Step("delete old workers", reconciler.delete_old_workers, every_seconds=60, batch=1000),
    ]


class Scheduler:
    """One of any number of processes, of which one leads."""

    def __init__(self, lease: Lease | None = None, steps: Sequence[Step] | None = None) -> None:
        self.lease = lease or Lease()
        self.steps = leader_steps() if steps is None else steps
        self.is_leading = False
        self._sign = HeartbeatFile("scheduler")
        self._election = Step("ask for the lease", self._ask)
        self._start = Step("read the declared schedules", _sync_declared, every_seconds=float("inf"))

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, then give the lease up."""
        while not stop.is_set():
            stop.wait(self._turn(stop))
        Step("give the lease up", self._release).run()
        self._sign.remove()

    def _turn(self, stop: Event) -> float:
        """Do what is to be done now, and return the seconds until the next turn."""
        if self._start.next_at <= time.monotonic():
            self._start.run()
        is_answered = self._election.run() is not None
        self._sign.renew(is_beating=is_answered)
        if not is_answered:
            return max(self._election.next_at - time.monotonic(), 0.0)
        return self._round(stop) if self.is_leading else STANDBY_SECONDS

    def _round(self, stop: Event) -> float:
        """Take each step that is due, and return the seconds until the next round."""
        pause_seconds = IDLE_SECONDS
        for step in self.steps:
            if step.next_at > time.monotonic():
                continue
            if stop.is_set() or not self._election.run():
                return 0.0
            count = step.run()
            self._sign.renew(is_beating=True)
            reach("scheduler.stepped")
            if count:
                has_backlog = not step.every_seconds and 0 < step.batch <= count
                pause_seconds = min(pause_seconds, 0.0 if has_backlog else BUSY_SECONDS)
        return pause_seconds

    def _ask(self) -> int:
        was_leading, self.is_leading = self.is_leading, False
        self.is_leading = self.lease.hold(max_age_seconds=LEASE_CHECK_SECONDS)
        if self.is_leading and not was_leading:
            reach("scheduler.elected")
        if self.is_leading != was_leading:
            name, words = LEADING if self.is_leading else FOLLOWING
            logs.tell(name, words, self.lease.holder, scheduler=self.lease.holder)
        return int(self.is_leading)

    def _release(self) -> int:
        self.lease.release()
        return 1


def _sync_declared() -> int:
    declared.sync_declared()
    return 1
