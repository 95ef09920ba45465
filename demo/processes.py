"""The demo's child processes: started together, restarted when one falls, ended together."""

import subprocess  # nosec B404 # starts the demo's own commands
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from queuehub.tether import tethered

SHORT_LIFE_SECONDS = 5
MAX_SHORT_LIVES = 3


@dataclass(slots=True)
class Child:
    """One child with its log; `command` follows the interpreter."""

    name: str
    command: Sequence[str]
    log_path: Path
    directory: Path  # to start it in
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0  # of the monotonic clock
    short_life_count: int = 0

    def start(self) -> None:
        """Start the process in a group of its own, so that a terminal's Ctrl-C reaches only us.

        It gets SIGTERM when we vanish, kill -9 included.
        """
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(  # nosec B603 # a list, no shell, nothing from outside
                tethered([sys.executable, *self.command], signal_name="SIGTERM"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                process_group=0,
            )
        self.started_at = time.monotonic()

    def log_tail(self, line_count: int = 12) -> str:
        """Return the last lines of the log."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-line_count:])


class GaveUp(Exception):
    """A child ended again and again."""


@dataclass(slots=True)
class Family:
    """All children together."""

    children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start every child."""
        for child in self.children:
            child.start()

    def restart_fallen(self, report: Callable[[str], None]) -> None:
        """Start every child again that has ended by itself, and report each.

        Raises: GaveUp if one has ended three times within five seconds of its start.
        """
        for child in self.children:
            code = child.process.poll() if child.process else None
            if code is None:
                continue
            is_short = time.monotonic() - child.started_at < SHORT_LIFE_SECONDS
            child.short_life_count = child.short_life_count + 1 if is_short else 0
            if child.short_life_count >= MAX_SHORT_LIVES:
                raise GaveUp(f"the {child.name} ends with code {code}; its log says:\n{child.log_tail()}")
            report(f"the {child.name} ended with code {code}; starting it again (log: {child.log_path})")
            child.start()

    def stop(self, grace_seconds: float = 20) -> None:
        """Ask all children to stop, wait, then kill what is left of them and of their own children."""
        living = [child.process for child in self.children if child.process]
        offspring = [found for process in living for found in _descendants(process.pid)]
        try:
            for process in living:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + grace_seconds
            for process in living:
                process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass  # the grace is over
        finally:  # also when a second Ctrl-C cuts the wait short
            _, stubborn = psutil.wait_procs(offspring, timeout=0)
            for survivor in stubborn:
                _kill(survivor)
            for process in living:
                if process.poll() is None:
                    process.kill()
                process.wait()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()  # psutil compares the start time first: a reused pid is safe
