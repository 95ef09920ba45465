"""The worker's desk: claimed runs that wait for a slot, runs in slots, and ended runs that wait for the ledger.

One lock guards it all. Starting is popping: a run is either in the deque, where it can still be given back, or begun.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from jobs import executor
from jobs.conf import get_settings
from jobs.context import TaskContext
from jobs.failpoints import reach
from jobs.runs import Run
from jobs.worker.board import Board

OVERLAP_SECONDS = 0.02
"""A batch is fetched while the last run to begin is younger than this."""

MANY = 50
"""Of a batch of so many, hence very short, jobs half may still wait when the next batch is fetched."""

HOLD_SECONDS = 0.5
"""After giving jobs back, a worker whose threads are busy receives for its coroutines only after this time."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Begun:
    """A run in a slot; `thread_id` is 0 for a coroutine."""

    run: Run
    context: TaskContext
    index: int
    limit_seconds: float
    thread_id: int = 0
    interrupt: Callable[[type[BaseException]], None] | None = field(default=None)


class Desk:
    """Everything between the claim and the settlement. Methods are safe from any thread."""

    def __init__(self, board: Board, thread_count: int, coroutine_count: int) -> None:
        self.board = board
        self.thread_count, self.coroutine_count = thread_count, coroutine_count
        # one lock, three reasons to wait: waking all for each other's sake would keep idle threads busy
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # for slots: there is a run to begin
        self._done = threading.Condition(self._lock)  # for the settler: a run has ended
        self._room = threading.Condition(self._lock)  # for the receiver: more may be received
        self._sync: deque[Run] = deque()
        self._async: deque[Run] = deque()
        self._plain: deque[Callable[[], None]] = deque()
        self._begun: dict[int, Begun] = {}
        self._ended: list[Begun] = []
        self._settling: list[Begun] = []
        self._idle_threads = 0
        self._low_water = 0  # how many synchronous runs wait when the next batch is fetched
        self._coroutines = 0
        self._moved_seconds = 0.0
        self._hold_until = 0.0
        self.on_async: Callable[[], None] = lambda: None

    # -- putting in ----------------------------------------------------------------------------------------------

    def put(self, runs: list[Run]) -> None:
        """Take claimed runs in."""
        with self._lock:
            self._moved_seconds = time.monotonic()
            self._low_water = len(runs) // 2 if len(runs) >= MANY else 0
            for run in runs:
                (self._async if self.coroutine_count and executor.is_async(run) else self._sync).append(run)
            has_async = bool(self._async)
            self._work.notify(len(self._sync))
        if has_async:
            self.on_async()

    def put_plain(self, call: Callable[[], None]) -> None:
        """Take in work that is not in the ledger."""
        with self._lock:
            self._plain.append(call)
            self._work.notify()

    # -- slots ---------------------------------------------------------------------------------------------------

    def take_sync(self, wait_seconds: float, ended: Begun | None = None) -> "Begun | Callable[[], None] | None":
        """Begin the next synchronous run, waiting for one; None after `wait_seconds`. First hand over `ended`."""
        if ended is not None:
            self._mark_ended(ended)
        with self._lock:
            if ended is not None:
                self._hand_over(ended)
            if not self._sync and not self._plain:
                self._idle_threads += 1
                self._room.notify()
                self._work.wait(wait_seconds)
                self._idle_threads -= 1
            if self._sync:
                begun = self._begin(self._sync.popleft(), threading.get_ident())
                if len(self._sync) == self._low_water:
                    self._room.notify()  # the next batch may be fetched
                return begun
            return self._plain.popleft() if self._plain else None

    def take_async(self) -> Begun | None:
        """Begin the next asynchronous run if there is one and a slot is free."""
        with self._lock:
            if not self._async or self._coroutines >= self.coroutine_count:
                return None
            self._coroutines += 1
            return self._begin(self._async.popleft(), 0)

    def _begin(self, run: Run, thread_id: int) -> Begun:
        reach("run.taken")
        self._moved_seconds = time.monotonic()
        limit_seconds = executor.limit_seconds(run)
        index = self.board.begin(run.job_id, limit_seconds, get_settings().hard_timeout_grace_seconds)
        context = TaskContext(run.job_id, run.number, lambda: self.board.is_cancelled(index))
        begun = Begun(run, context, index, limit_seconds, thread_id)
        self._begun[index] = begun
        reach("run.begun")
        return begun

    def end(self, begun: Begun) -> None:
        """Hand an ended run over to the settler."""
        self._mark_ended(begun)
        with self._lock:
            self._hand_over(begun)

    def _mark_ended(self, begun: Begun) -> None:
        reach("run.ended")
        self.board.end(begun.index)
        reach("run.handed_over")

    def _hand_over(self, begun: Begun) -> None:
        del self._begun[begun.index]
        self._coroutines -= begun.thread_id == 0
        self._ended.append(begun)
        if len(self._ended) == 1 or not self._sync:
            self._done.notify()
        if begun.thread_id == 0:
            self._room.notify()  # a coroutine has become free; a thread tells when it falls idle

    # -- the settler ---------------------------------------------------------------------------------------------

    def take_ended(self, wait_seconds: float, gather_seconds: float, most: int) -> list[Begun]:
        """Return ended runs, at once if nothing else is in work, else gathering for a moment; may be empty."""
        with self._lock:
            if not self._ended:
                self._done.wait(wait_seconds)
            if not self._ended:
                return []
            deadline = time.monotonic() + gather_seconds
            while (self._begun or self._sync or self._async) and len(self._ended) < most:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._done.wait(remaining)
            batch, self._ended = self._ended[:most], self._ended[most:]
            self._settling = batch
            return batch

    def settled(self, batch: list[Begun]) -> None:
        """Forget settled runs."""
        for begun in batch:
            self.board.remove(begun.index)
        with self._lock:
            self._settling = []
            self._room.notify()

    # -- looking -------------------------------------------------------------------------------------------------

    def begun(self) -> list[Begun]:
        """Return the runs in slots."""
        with self._lock:
            return list(self._begun.values())

    def known_ids(self) -> set[UUID]:
        """Return the jobs of all runs between claim and settlement."""
        with self._lock:
            begun = [*self._begun.values(), *self._ended, *self._settling]
            return {run.job_id for run in (*self._sync, *self._async, *(item.run for item in begun))}

    def take_unstarted(self) -> list[Run]:
        """Take every run out that has not begun."""
        with self._lock:
            runs = [*self._sync, *self._async]
            self._sync.clear()
            self._async.clear()
            return runs

    def take_hostages(self) -> list[Run]:
        """Take out the runs that have not begun if nothing has begun for too long; then hold off receiving."""
        with self._lock:
            stuck_seconds = time.monotonic() - self._moved_seconds
            if not (self._sync or self._async) or stuck_seconds * 1000 < get_settings().release_after_milliseconds:
                return []
            self._hold_until = time.monotonic() + HOLD_SECONDS
        return self.take_unstarted()

    @property
    def is_empty(self) -> bool:
        """True if nothing is claimed, running or unsettled."""
        return not (
            self._sync or self._async or self._plain or self._begun or self._ended or self._settling
        )

    def wait_for_room(self, wait_seconds: float) -> None:
        """Wait until the answer of `room` may have changed."""
        with self._lock:
            self._room.wait(wait_seconds)

    def room(self, are_async_tasks_known: bool, batch_size: int) -> int:
        """Return how many jobs to receive now; 0 while all slots are busy with what they have."""
        with self._lock:
            if self.board.free_count < batch_size:
                return 0  # the ledger is away or slow: ended runs pile up
            if len(self._sync) > self._low_water or self._plain or self._async:
                return 0
            if self._idle_threads or self._is_sync_about_to_end():
                return batch_size
            if not are_async_tasks_known or time.monotonic() < self._hold_until:
                return 0
            return min(batch_size, self.coroutine_count - self._coroutines)

    def _is_sync_about_to_end(self) -> bool:
        """Tell whether the last begun run is so young that fetching the next batch meanwhile is worth while."""
        return len(self._begun) - self._coroutines < self.thread_count or (
            time.monotonic() - self._moved_seconds < OVERLAP_SECONDS
        )
