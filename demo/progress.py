"""What the demo prints while a run goes on: one line in place, or one now and then without a terminal."""

import shutil
import time
from typing import TextIO

from demo.tally import Tally
from jobs.states import JobState

LINE_EVERY_SECONDS = 5.0


class Progress:
    """Shows a run's tally on a stream."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.is_terminal = stream.isatty()
        self._shown = ""
        self._shown_at = 0.0

    def show(self, tally: Tally, jobs_per_second: float) -> None:
        """Show how the run stands; without a terminal at most every 5 s."""
        text = describe(tally, jobs_per_second)
        if self.is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[K{text[:width]}")
        elif text != self._shown and time.monotonic() - self._shown_at >= LINE_EVERY_SECONDS:
            self._write(f"{text}\n")
        else:
            return
        self._shown, self._shown_at = text, time.monotonic()

    def say(self, text: str) -> None:
        """Print a line of its own above the progress."""
        self._write(f"\r\x1b[K{text}\n" if self.is_terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def describe(tally: Tally, jobs_per_second: float) -> str:
    """Return the progress in words."""
    percent = 100 * tally.finished // tally.enqueued if tally.enqueued else 0
    parts = [f"{tally.finished:,} of {tally.enqueued:,} jobs done ({percent} %)"]
    if tally.pending:
        parts.append(f"{jobs_per_second:,.0f} jobs/s")
    for state in (JobState.RUNNING, JobState.RETRYING, JobState.SCHEDULED, JobState.DEAD, JobState.CANCELLED):
        if tally.count(state):
            parts.append(f"{tally.count(state):,} {state}")
    return " · ".join(parts)
