"""The receiving thread of a worker: messages, or rows that no message announces, become claimed runs on the desk."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.db import Error as DatabaseError

from jobs import dispatcher, executor, lifecycle, logs
from jobs.conf import get_settings
from jobs.definition import registry
from jobs.errors import TransportUnavailable
from jobs.failpoints import reach
from jobs.lifecycle import due
from jobs.runs import Run
from jobs.transports import Delivery, get_transport
from jobs.worker.averages import Averages
from jobs.worker.backlog import Backlog
from jobs.worker.desk import Desk
from jobs.worker.options import WorkerOptions

logger = logging.getLogger("jobs.worker")

REFRESH_SECONDS = 2.0
"""How often the names of queues and their pauses are read."""

SUSPECT_SECONDS = 1.0
"""How long a job that was lost before may wait for this worker to fall idle; then others get it."""

BURST_WAIT_SECONDS = 0.05
ROOM_SECONDS = 0.1
AWAY_WAIT_SECONDS = 0.1
"""Pause between two looks at a ledger that has no more than fits, while the transport is away."""


class Receiver:
    """Feeds the desk until `stop()`; in burst mode until the ledger has nothing due in its queues."""

    def __init__(self, desk: Desk, averages: Averages, worker_id: str, options: WorkerOptions) -> None:
        self.desk, self.averages, self.worker_id, self.options = desk, averages, worker_id, options
        self.backlog = Backlog(worker_id, options.queues)
        self.is_stopped = False
        self._queues: list[str] = []
        self._paused: set[str] = set()
        self._refreshed_seconds = -REFRESH_SECONDS
        self._asked_seconds = 0.0
        self._suspects: list[UUID] = []
        self._suspected_seconds = 0.0
        self._is_exclusive = False
        self._is_transport_up = True
        self._has_more = False
        self._void_count = 0
        self._damaged_count = get_transport().dropped_count

    def run(self) -> None:
        """Receive until stopped. Survives every error of Redis and of the ledger."""
        failures = 0
        while not self.is_stopped:
            try:
                self.step()
                failures = 0
            except Exception as error:
                failures += 1
                is_known = isinstance(error, DatabaseError | TransportUnavailable)
                logger.warning("receiving failed, trying again: %s", error, exc_info=not is_known)
                lifecycle.drop_connection()
                time.sleep(min(0.1 * 2**failures, 2.0))

        with suppress(DatabaseError):
            self._count_worthless()

    def stop(self) -> None:
        """Receive nothing any more; returns at once."""
        self.is_stopped = True

    def queues(self) -> list[str]:
        """Return the names of the queues served at the moment."""
        return self._queues

    def step(self) -> None:
        """Receive and claim one batch, or wait a moment."""
        if self._is_exclusive and self.desk.is_empty:
            self._is_exclusive = False
        if self._suspects and self._claim_suspect():
            return
        room = 0 if self._is_exclusive or self._suspects else self._room()
        if room <= 0:
            self.desk.wait_for_room(ROOM_SECONDS)
            return
        self._refresh()
        if self.backlog.is_next and self._put(self.backlog.claim(room, self._paused, minimum_priority=0)):
            return
        deliveries = self._receive(room)
        if deliveries:
            reach("receive.popped")
            self._claim(deliveries)
            is_full = len(deliveries) >= room
            self.backlog.let_pass(is_full)
            if is_full:
                self._asked_seconds = 0.0  # where many messages were, the ledger may have more
        elif time.monotonic() - self._asked_seconds >= self._wait_seconds:
            self._asked_seconds = time.monotonic()
            self._ask_ledger(room)

    @property
    def _wait_seconds(self) -> float:
        if self._asked_seconds == 0.0:
            return 0.0  # the ledger has rows without messages: look at the transport, but do not wait for it
        return BURST_WAIT_SECONDS if self.options.is_burst else get_settings().receive_wait_seconds

    def _room(self) -> int:
        room = self.desk.room(any(executor.is_async_task(task) for task in registry), self.averages.batch_size())
        if self.options.max_jobs:
            room = min(room, self.options.max_jobs - self.desk.board.begun_count)
        return room

    def _refresh(self) -> None:
        if time.monotonic() - self._refreshed_seconds < REFRESH_SECONDS:
            return
        names = set(self.options.queues)
        if not names:
            names = {task.queue_name for task in registry} | set(lifecycle.waiting_queues()) | self._transport_queues()
        self._paused = lifecycle.paused_queues()
        self._queues = sorted(names - self._paused, key=self._order)
        self._refreshed_seconds = time.monotonic()
        self._count_worthless()

    def _count_worthless(self) -> None:
        """Add the messages since the last time that led to no job to the statistics."""
        damaged_count = get_transport().dropped_count
        lifecycle.count_messages({
            "messages_damaged": damaged_count - self._damaged_count, "messages_void": self._void_count
        })  # fmt: skip
        self._damaged_count, self._void_count = damaged_count, 0

    def _transport_queues(self) -> set[str]:
        """Return the queues that the transport knows; none while it is away, so that the ledger's are served."""
        if self._is_transport_up:
            try:
                return get_transport().queue_names()
            except TransportUnavailable as error:
                self._miss_transport(error)
        return set()

    def _miss_transport(self, error: TransportUnavailable) -> None:
        if self._is_transport_up:
            logs.tell("broker.away", "the transport is away, asking the ledger instead: %s", error, reason=str(error))
        self._is_transport_up = False

    def _order(self, name: str) -> tuple[int, str]:
        named = self.options.queues
        return (named.index(name) if name in named else len(named), name)

    def _receive(self, room: int) -> list[Delivery]:
        if not self._queues:
            time.sleep(self._wait_seconds)
            return []
        try:
            # turn by turn, so that no queue starves another; named queues keep the order in which they were named
            if not self.options.queues:
                self._queues = self._queues[1:] + self._queues[:1]
            deliveries = get_transport().receive(self._queues, room, self._wait_seconds)
        except TransportUnavailable as error:
            self._miss_transport(error)
            self._asked_seconds = 0.0
            if not self._has_more:
                time.sleep(AWAY_WAIT_SECONDS)
            return []
        if not self._is_transport_up:
            logs.tell("broker.back", "the transport is back")
        self._is_transport_up = True
        return deliveries

    def _claim(self, deliveries: Sequence[Delivery]) -> None:
        ids = [delivery.job_id for delivery in deliveries if delivery.job_id is not None]
        is_alone = len(ids) == 1 and self.desk.is_empty
        try:
            runs = self._claimed(ids, is_alone)
        except DatabaseError:
            get_transport().settle((), returned=deliveries)
            raise
        self._put(runs)
        for delivery in deliveries:
            if delivery.plain is not None:
                self.desk.put_plain(delivery.plain)
        reach("receive.put")
        get_transport().settle(deliveries)  # last: if it fails, a message stays that nobody can claim any more
        reach("receive.acknowledged")
        if len(runs) < len(ids):
            claimed = {run.job_id for run in runs}
            found = lifecycle.suspects_among([job_id for job_id in ids if job_id not in claimed])
            self._void_count += len(ids) - len(runs) - len(found)
            self._suspects, others = found[:1], found[1:]
            self._suspected_seconds = time.monotonic()
            if others:
                lifecycle.announce_again(others)  # for another worker, meanwhile

    def _claimed(self, ids: Sequence[UUID], is_alone: bool) -> list[Run]:
        if not ids:
            return []
        queues = self.options.queues or None
        runs = lifecycle.claim(ids, worker=self.worker_id, queues=queues, is_alone=is_alone)
        self._is_exclusive = is_alone and any(run.loss_count for run in runs)
        return runs

    def _claim_suspect(self) -> bool:
        """Claim one job that was lost before, alone; False if nothing came of it."""
        if not self.desk.is_empty:
            if time.monotonic() - self._suspected_seconds > SUSPECT_SECONDS:
                lifecycle.announce_again(self._suspects)
                self._suspects.clear()
            return False
        runs = self._claimed([self._suspects.pop()], is_alone=True)
        self._suspected_seconds = time.monotonic()
        self.desk.put(runs)
        return bool(runs)

    def _put(self, runs: list[Run]) -> bool:
        """Put runs on the desk as far as they fit by their tasks' averages; give the rest back at once.

        Returns False if there are none.
        """
        if not runs:
            return False
        budget = get_settings().prefetch_milliseconds / 1000
        fitting, cost = len(runs), 0.0
        for index, run in enumerate(runs):
            slots = self.desk.coroutine_count if executor.is_async(run) else self.desk.thread_count
            if index and cost > budget:
                fitting = index
                break
            cost += self.averages.cost_seconds(run.task, slots)
        self.desk.put(runs[:fitting])
        give_back(runs[fitting:])
        return True

    def _ask_ledger(self, room: int) -> None:
        """Claim rows that no message announces; in burst mode stop when nothing is due any more."""
        queues = self.options.queues or None
        runs: list[Run] = []
        if not self._is_transport_up:
            # nobody can read these messages now, and among a steady flow of new rows their jobs would never have a turn
            runs = lifecycle.claim_stale(queues, room, worker=self.worker_id)
        if len(runs) < room:
            runs += self.backlog.claim(room - len(runs), self._paused)
        if not runs and self._is_transport_up:
            runs = lifecycle.claim_stale(queues, room, worker=self.worker_id)
        self._has_more = len(runs) >= room
        if not self._put(runs) and self.desk.is_empty:
            runs = self.backlog.claim_suspect()
            self._is_exclusive = bool(runs)
            self.desk.put(runs)
        if runs:
            self._asked_seconds = 0.0  # there may be more
        elif self.options.is_burst and not self._suspects and self.desk.is_empty:
            due.promote_due(1000)
            self.is_stopped = not due.is_anything_due(queues)


def give_back(runs: Sequence[Run]) -> None:
    """Return runs that have not begun to the head of their queues, for any worker, uncounted.

    Raises: whatever kept the ledger from answering. It may have taken them back all the same, so they do not come onto
    the desk again: the audit gives back what is still claimed.
    """
    by_claim: dict[int, list[UUID]] = {}
    for run in runs:
        by_claim.setdefault(run.claim, []).append(run.job_id)
    for claim, job_ids in by_claim.items():
        refs = lifecycle.republish(job_ids, claim)
        reach("republish.committed")
        if refs:
            dispatcher.send(refs, at_front=True)
