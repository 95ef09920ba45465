"""Jobs of which the transport knows nothing, claimed straight from the ledger: a backlog beyond its queue's window.

Publishing a row only to claim it a moment later would cost as much as running it, so the leader publishes few of a
backlog (`dispatcher.top_up`), and workers take the rest from here, in turn with the messages.
"""

import time
from collections.abc import Collection, Sequence

from jobs import lifecycle
from jobs.runs import Run
from jobs.statements import Place

LOOK_SECONDS = 0.5
"""A worker on a backlog looks for better jobs this often; in between it takes the next ones from where it was."""


class Backlog:
    """What one worker knows of the rows without messages in its queues (none named: all)."""

    def __init__(self, worker_id: str, queues: Sequence[str]) -> None:
        self.worker_id, self.queues = worker_id, queues
        self._waiting: list[str] = []
        self._at: tuple[str, Place] | None = None
        self._looked_seconds = 0.0
        self._look_count = 0
        self._has_let_pass = False

    @property
    def is_next(self) -> bool:
        """True if the next batch is to come from here although the transport may have messages."""
        return self._has_let_pass

    def let_pass(self, is_full: bool) -> None:
        """Note that a batch of messages came first, a full one or the last of its list."""
        is_known = self._at is not None and self._at[1][0] >= 0
        is_time = time.monotonic() - self._looked_seconds > LOOK_SECONDS
        self._has_let_pass = is_full and (is_known or is_time)

    def claim(self, limit: int, paused: Collection[str], minimum_priority: int = -100) -> list[Run]:
        """Claim up to `limit` jobs: the next ones of the backlog that this worker is at, or else the best ones."""
        self._has_let_pass = False
        return self._next(limit, minimum_priority) or self._best(limit, paused, minimum_priority)

    def claim_suspect(self) -> list[Run]:
        """Claim one job that was lost before, of the queues that the last look has found."""
        return lifecycle.claim_waiting(self._waiting, 1, worker=self.worker_id, is_suspect=True)

    def _next(self, limit: int, minimum_priority: int) -> list[Run]:
        if self._at is None or time.monotonic() - self._looked_seconds > LOOK_SECONDS:
            return []
        queue, place = self._at
        if place[0] < minimum_priority:
            return []
        return self._noted(lifecycle.claim_waiting([queue], limit, worker=self.worker_id, after=place), limit)

    def _best(self, limit: int, paused: Collection[str], minimum_priority: int) -> list[Run]:
        self._looked_seconds = time.monotonic()
        self._look_count += 1
        self._waiting = self._in_turn([name for name in lifecycle.waiting_queues() if name not in paused])
        found = lifecycle.claim_waiting(
            self._waiting, limit, worker=self.worker_id, minimum_priority=minimum_priority
        )
        return self._noted(found, limit)

    def _noted(self, runs: list[Run], limit: int) -> list[Run]:
        last = max(runs, key=lambda run: (-run.priority, run.job_id)) if len(runs) >= limit else None
        self._at = (last.queue, (last.priority, last.job_id)) if last else None
        return runs

    def _in_turn(self, waiting: list[str]) -> list[str]:
        """Return this worker's queues as they were named, or else turn by turn, so that none starves another."""
        if self.queues:
            return [name for name in self.queues if name in waiting]
        turn = self._look_count % len(waiting) if waiting else 0
        return waiting[turn:] + waiting[:turn]
