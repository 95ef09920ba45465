"""What tests share: waiting for a condition, and real processes with their output."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from queuehub.tether import tethered

PROJECT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


def eventually(check: Callable[[], T], timeout_seconds: float = 10, message: str = "") -> T:
    """Call `check` until it returns something true, and return that.

    An AssertionError of `check` counts as "not yet".

    Raises: AssertionError after `timeout_seconds`, with `message` and what `check` last said.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        last: object
        try:
            last = result = check()
            if result:
                return result
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            text = (
                f"{message or 'the condition did not come true'} within {timeout_seconds} s; last: {last!r}"
            )
            raise AssertionError(text)
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Say whether the process runs; one that has ended but was not reaped does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """One real process in a session of its own; its output goes to a file and is shown when the test fails.

    It is tied to the thread that started it (see `queuehub.tether`): start it from the test's main thread.
    """

    def __init__(self, command: Sequence[str], output_path: Path, environment: Mapping[str, str]) -> None:
        self.command = list(command)
        self.output_path = output_path
        with output_path.open("wb") as output:
            self.process = subprocess.Popen(
                tethered(self.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self.process.pid

    @property
    def output(self) -> str:
        """What it has written so far, standard output and standard error together."""
        return self.output_path.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def wait(self, timeout_seconds: float = 30) -> int:
        """Wait until it ends and return its exit code; negative is a signal's number.

        Raises: AssertionError with its output if it goes on.
        """
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} did not end within {timeout_seconds} s:\n{self.output}") from None

    def wait_for(self, text: str, timeout_seconds: float = 30) -> None:
        """Wait until its output holds `text`.

        Raises: AssertionError with its output if that does not come, or if it ends before.
        """
        deadline = time.monotonic() + timeout_seconds
        is_over = False
        while text not in self.output:
            assert not is_over, f"{self} ended without printing {text!r}:\n{self.output}"
            assert time.monotonic() < deadline, f"{self} did not print {text!r}:\n{self.output}"
            # Its last words may come between the look at the output and the look at the process.
            is_over = not self.is_running
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its children."""
        self.process.send_signal(number)

    def stop(self, timeout_seconds: float = 15) -> int:
        """Ask it to end by SIGTERM and return its exit code; see `wait`."""
        if self.is_running:
            self.send(signal.SIGTERM)
        return self.wait(timeout_seconds)

    def kill(self) -> None:
        """Kill it and its whole process group, and reap it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def __str__(self) -> str:
        return " ".join(self.command)


class Processes:
    """The processes of one test: started here, killed with their groups at its end."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = dict(environment)
        self.started: list[Running] = []

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> Running:
        """Run a command; `env` comes on top of the test's own environment."""
        output_path = self.directory / f"output-{len(self.started)}.txt"
        running = Running(command, output_path, {**self.environment, **(env or {})})
        self.started.append(running)
        return running

    def manage(self, *arguments: str, env: Mapping[str, str] | None = None) -> Running:
        """Run `manage.py` with the test's settings, database and broker."""
        return self.start(sys.executable, "manage.py", *arguments, env=env)

    def kill(self) -> None:
        """Kill whatever still runs."""
        for running in reversed(self.started):
            running.kill()
