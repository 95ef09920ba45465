"""The demo itself: a server, three processes, a run, and their orderly end."""

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from django.core.management import call_command
from django.db import connections

from demo.accounts import create_operator
from demo.models import Run
from demo.processes import Child, Family
from demo.progress import Progress
from demo.tally import Tally, is_finished, lost_count, retried_count, tally
from demo.workload import current_run, enqueue_rest
from jobs.states import JobState
from queuehub.embedded import PROJECT_DIRECTORY, EmbeddedServer, runtime_directory

HOST = "127.0.0.1"
TICK_SECONDS = 0.5
WEB_START_SECONDS = 60
ONCE_LIMIT_SECONDS = 600


class CannotStart(Exception):
    """Something outside stands in the way; the message is one line that says what to do."""


class Stopped(Exception):
    """A signal asked the demo to stop."""


class Stint:
    """Our part of a run, which an earlier demo may have begun."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._finished_before = tally(run).finished
        self._begun_at = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun_at

    def jobs_per_second(self, figures: Tally) -> float:
        """Return the rate at which jobs have finished since we began."""
        return (figures.finished - self._finished_before) / max(self.seconds, 0.001)


class Supervisor:
    """One demo from its start to its end."""

    def __init__(self, port: int, stream: TextIO) -> None:
        self.port = port
        self.progress = Progress(stream)
        self.directory = runtime_directory()
        self.server: EmbeddedServer | None = None
        self.family = Family()

    def run(self) -> int:
        """Run until a signal comes, and return the exit code.

        Raises: CannotStart, EmbeddedServerError, GaveUp.
        """
        with stop_on_signals(), ExitStack() as stack:
            try:
                self._start(stack)
                self._say_where(create_operator())
                stint = Stint(current_run())
                self._enqueue(stint)
                while True:
                    self._show(stint)
                    self._wait_a_tick()
            except Stopped:
                self.progress.say("\nStopping; running jobs get 10 s; make demo goes on with the rest.")
        return 0

    def run_once(self) -> int:
        """Run until nothing is pending, print the figures as one line of JSON and return the exit code.

        Raises: CannotStart, EmbeddedServerError, GaveUp.
        """
        with stop_on_signals(), ExitStack() as stack:
            try:
                self._start(stack)
                stint = Stint(current_run())
                self._enqueue(stint)
                while not is_finished(stint.run) and stint.seconds < ONCE_LIMIT_SECONDS:
                    self._show(stint)
                    self._wait_a_tick()
                is_done, report = is_finished(stint.run), report_of(stint)
            except Stopped:
                self.progress.say("stopped by a signal before the run was finished")
                return 1
        if not is_done:
            self.progress.say(f"not finished after {stint.seconds:.0f} s: see the logs in {self.directory}")
        self.progress.say(json.dumps(report))
        return 1 if report["lost"] or not is_done else 0

    def _start(self, stack: ExitStack) -> None:
        require_free_port(self.port)
        self.directory.mkdir(parents=True, exist_ok=True)
        stack.enter_context(only_demo_in(self.directory))
        if not os.environ.get("REDIS_URL"):
            self.server = stack.enter_context(EmbeddedServer(self.directory))
        call_command("migrate", interactive=False, verbosity=0)
        connections.close_all()
        self.family.children = self._children()
        stack.callback(self.family.stop)
        self.family.start()
        deadline = time.monotonic() + WEB_START_SECONDS
        while not is_listening(self.port):
            if time.monotonic() > deadline:
                raise CannotStart(f"no web server on port {self.port}: see {self.directory}/web.log")
            self._wait_a_tick()

    def _children(self) -> list[Child]:
        web = ["-m", "uvicorn", "queuehub.asgi:application", "--host", HOST, "--port", str(self.port)]
        commands = {
            "web server": [*web, "--timeout-graceful-shutdown", "3", "--no-access-log"],
            "worker": ["manage.py", "jobs_worker"],
            "scheduler": ["manage.py", "jobs_scheduler"],
        }
        return [
            Child(name, command, self.directory / f"{name.split()[0]}.log", PROJECT_DIRECTORY)
            for name, command in commands.items()
        ]

    def _say_where(self, login: str) -> None:
        address = f"http://localhost:{self.port}"
        self.progress.say(f"Dashboard  {address}/\nAdmin      {address}/admin/\nMetrics    {address}/metrics")
        self.progress.say(f"Login      {login}\nLogs       {self.directory}\nStop       Ctrl-C\n")

    def _enqueue(self, stint: Stint) -> None:
        for _ in enqueue_rest(stint.run):
            self._show(stint)
            self._repair()

    def _show(self, stint: Stint) -> None:
        figures = tally(stint.run)
        self.progress.show(figures, stint.jobs_per_second(figures))

    def _wait_a_tick(self) -> None:
        time.sleep(TICK_SECONDS)
        self._repair()

    def _repair(self) -> None:
        if self.server and self.server.process and self.server.process.poll() is not None:
            self.progress.say("the embedded Valkey has ended; starting it again: no job is lost")
            self.server.stop()
            self.server.start()
        self.family.restart_fallen(self.progress.say)


def report_of(stint: Stint) -> dict[str, float]:
    """Return what `demo --once` prints at its end."""
    figures = tally(stint.run)
    return {
        "enqueued": figures.enqueued,
        "succeeded": figures.count(JobState.SUCCEEDED),
        "dead": figures.count(JobState.DEAD),
        "retried": retried_count(stint.run),
        "lost": lost_count(stint.run),
        "seconds": round(stint.seconds, 1),
        "jobs_per_second": round(stint.jobs_per_second(figures), 1),
    }


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into `Stopped`; a second one cuts the orderly end short."""

    def stop(*_: object) -> None:
        raise Stopped

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def only_demo_in(directory: Path) -> Iterator[None]:
    """Hold the lock of the one demo that a runtime directory can have; the kernel frees it when we vanish.

    Raises: CannotStart if another demo holds it.
    """
    with (directory / "demo.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"a demo runs already on {directory}: stop it first") from None
        yield


def require_free_port(port: int) -> None:
    """Check that the web server can have the port.

    Raises: CannotStart.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
        try:
            probe.bind((HOST, port))
        except OSError as error:
            other = port + 1 if port < 65535 else 8000
            raise CannotStart(f"port {port}: {error.strerror}; run make demo PORT={other}") from None


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
