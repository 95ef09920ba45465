"""What a worker process is doing, in memory shared with its pool parent.

The parent reads from it which runs overrun their hard limit, and, when the process has died, which runs had begun.
A run stands on the board from before its first instruction until its end is in the ledger.
"""

import mmap
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

_HEADER = struct.Struct("<B7xQ")  # phase, runs begun; packed together by _COUNT
_ENTRY = struct.Struct("<BB6x16sdd")  # phase, is_cancelled, job, started, hard deadline (0: none)
_FREE, _RUNNING, _ENDED = 0, 1, 2
STARTING, ENROLLED = 0, 1
_COUNT = struct.Struct("<Q")
_COUNT_OFFSET = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One run on the board. Times are readings of `time.monotonic()`, which all processes of a host share."""

    index: int
    job_id: UUID
    is_running: bool
    started_seconds: float
    deadline_seconds: float


class Board:
    """A fixed table of runs. The worker's threads write, the pool parent reads and sets cancel marks."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._memory = mmap.mmap(-1, _HEADER.size + capacity * _ENTRY.size)
        self._free = list(range(capacity))
        self._begun_count = 0
        self._lock = threading.Lock()

    # -- the worker's side ---------------------------------------------------------------------------------------

    def enrol(self) -> None:
        """Say that the worker's row is in the ledger."""
        self._memory[0] = ENROLLED

    def begin(self, job_id: UUID, limit_seconds: float, grace_seconds: float) -> int:
        """Put a run that is about to begin on the board and return its index; limit 0 means no deadline."""
        now = time.monotonic()
        deadline = now + limit_seconds + grace_seconds if limit_seconds else 0.0
        with self._lock:
            index = self._free.pop()
            self._begun_count += 1
            _COUNT.pack_into(self._memory, _COUNT_OFFSET, self._begun_count)
            # the phase is the first byte and is written last: the parent never sees half an entry
            offset = _HEADER.size + index * _ENTRY.size
            _ENTRY.pack_into(self._memory, offset, _FREE, 0, job_id.bytes, now, deadline)
            self._memory[offset] = _RUNNING
        return index

    def end(self, index: int) -> None:
        """Mark a run as ended; it stays on the board until it is settled."""
        self._memory[self._offset(index)] = _ENDED

    def remove(self, index: int) -> None:
        """Take a settled run off the board."""
        with self._lock:
            self._memory[self._offset(index)] = _FREE
            self._free.append(index)

    def is_cancelled(self, index: int) -> bool:
        return bool(self._memory[self._offset(index) + 1])

    @property
    def begun_count(self) -> int:
        """How many runs this worker has begun in its life; the parent sees it too."""
        count: int = _COUNT.unpack_from(self._memory, _COUNT_OFFSET)[0]
        return count

    @property
    def free_count(self) -> int:
        return len(self._free)

    # -- the parent's side ---------------------------------------------------------------------------------------

    @property
    def is_enrolled(self) -> bool:
        return self._memory[0] == ENROLLED

    def entries(self) -> Iterator[Entry]:
        """Yield the runs that have begun and are not settled."""
        return self._in_phases(_RUNNING, _ENDED)

    def running(self) -> Iterator[Entry]:
        """Yield the runs that have begun and not ended."""
        return self._in_phases(_RUNNING)

    def _in_phases(self, *wanted: int) -> Iterator[Entry]:
        # all phases in one look: the parent comes by ten times a second, and most places are free
        for index, seen in enumerate(self._memory[_HEADER.size :: _ENTRY.size]):
            if seen not in wanted:
                continue
            phase, _, job, started, deadline = _ENTRY.unpack_from(self._memory, self._offset(index))
            if phase in wanted:
                yield Entry(index, UUID(bytes=job), phase == _RUNNING, started, deadline)

    def cancel(self, job_id: UUID) -> None:
        """Set the cancel mark of a run, if it is on the board."""
        for entry in self.running():
            if entry.job_id == job_id:
                self._memory[self._offset(entry.index) + 1] = 1

    def close(self) -> None:
        self._memory.close()

    def _offset(self, index: int) -> int:
        return _HEADER.size + index * _ENTRY.size
