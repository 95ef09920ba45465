"""The directory of one test run, and the environment that ties the run and its processes together.

The settings module calls `prepare()` before any setting is read: the run's own database and broker replace
whatever the developer's environment names, so that no test can touch a server that the tests did not start.
Processes started by tests inherit the environment as it is. Under pytest-xdist each worker is a run of its
own.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

MARK = "QUEUEHUB_TEST_RUN"
PREFIX = "queuehub-tests-"
ABANDONED_AFTER_SECONDS = 60
FOREIGN = (
    "QUEUEHUB_ENV",
    "QUEUEHUB_NODE",
    "QUEUEHUB_DATABASE_POOL_SIZE",
    "QUEUEHUB_FAILPOINTS",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "DEBUG",
)


def ledger() -> str:
    """Return the database under test: "sqlite" or "postgresql", from QUEUEHUB_TEST_LEDGER."""
    name = os.environ.get("QUEUEHUB_TEST_LEDGER") or "sqlite"
    if name not in ("sqlite", "postgresql"):
        raise ValueError(f"QUEUEHUB_TEST_LEDGER is {name!r}: set it to sqlite or postgresql")
    return name


def directory() -> Path:
    """Return the directory of the present run."""
    return Path(os.environ[MARK])


def prepare() -> None:
    """Point the environment at this run's own servers; in a process started by a test, change nothing."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    if Path(os.environ.get(MARK, "")).name.startswith(f"{PREFIX}{worker}-"):
        return
    _remove_abandoned()
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{worker}-"))
    # PostgreSQL may run as another user and must reach its own directory inside.
    path.chmod(0o711)
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ[MARK] = str(path)
    os.environ["QUEUEHUB_RUNTIME_DIR"] = str(path)
    os.environ["REDIS_URL"] = f"unix://{path / 'valkey.sock'}"
    if ledger() == "postgresql":
        os.environ["DATABASE_URL"] = f"postgres://queuehub@/queuehub?host={path / 'postgresql'}"
    else:
        os.environ["DATABASE_URL"] = f"sqlite:///{path / 'queuehub.sqlite3'}"
    _hold(path)


def _hold(path: Path) -> None:
    """Keep a lock for as long as this process lives, and remove the directory at its end."""
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    owner_pid = os.getpid()

    def remove() -> None:
        if os.getpid() == owner_pid:
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)


def _remove_abandoned() -> None:
    """Remove the directories of runs that were killed, known by a lock that nobody holds."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if path.stat().st_mtime > time.time() - ABANDONED_AFTER_SECONDS:
                continue
            lock = os.open(path / "lock", os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
