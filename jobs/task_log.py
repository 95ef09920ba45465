"""What a task writes about its run: lines that are kept with the attempt, up to a bound."""

import time
from collections import deque
from threading import Lock

from jobs.log_lines import one_line
from jobs.tracebacks import clean

MOST_BYTES = 64 * 1024
_HALF = MOST_BYTES // 2 - 64  # room for the notice
_LONGEST_LINE = 8 * 1024


class TaskLog:
    """The first and the last lines of a run, each with the seconds since the run began; secrets are masked.

    When there is more than may be kept, lines in the middle go: the first ones say what was to be done, the last
    ones what went wrong.
    """

    __slots__ = ("_began_seconds", "_cut_count", "_first", "_first_bytes", "_last", "_last_bytes", "_lock")

    def __init__(self) -> None:
        self._began_seconds = time.monotonic()
        self._first: list[str] = []
        self._last: deque[str] = deque()
        self._first_bytes = self._last_bytes = self._cut_count = 0
        self._lock = Lock()  # a task may have threads of its own

    def write(self, text: str) -> None:
        """Keep one entry; further lines of it are indented."""
        seconds = time.monotonic() - self._began_seconds
        lines = clean(text, _LONGEST_LINE).splitlines() or [""]
        entry = f"{seconds:10.3f}  " + "\n            ".join(one_line(line) for line in lines)
        size = len(entry.encode()) + 1
        with self._lock:
            if not self._last and self._first_bytes + size <= _HALF:
                self._first.append(entry)
                self._first_bytes += size
                return
            self._last.append(entry)
            self._last_bytes += size
            while self._last_bytes > _HALF:
                self._last_bytes -= len(self._last.popleft().encode()) + 1
                self._cut_count += 1

    @property
    def text(self) -> str | None:
        """Everything that is kept; None if nothing was written."""
        with self._lock:
            if not self._first and not self._last:
                return None
            notice = [f"… [{self._cut_count} entries cut] …"] if self._cut_count else []
            return "\n".join([*self._first, *notice, *self._last])
