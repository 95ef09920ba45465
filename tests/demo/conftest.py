"""A demo as a user starts it, on SQLite and the embedded server in a directory of the test's own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import Processes, Running


@pytest.fixture
def start_demo(processes: Processes, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `manage.py demo` with these arguments; what is left of it is killed at the end."""
    environment = {
        "QUEUEHUB_RUNTIME_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "queuehub.settings",
        **dict.fromkeys(("DATABASE_URL", "REDIS_URL", "QUEUEHUB_ENV", "PORT"), ""),
    }

    def start(*arguments: str, **variables: str) -> Running:
        command = (sys.executable, "manage.py", "demo", *arguments)
        return processes.start(*command, env={**environment, **variables})

    yield start
    for process in processes_on(tmp_path):
        process.kill()


def processes_on(directory: Path) -> list[psutil.Process]:
    """List the living processes whose runtime directory this is."""
    return [process for process in psutil.process_iter() if _lives_on(process, directory)]


def _lives_on(process: psutil.Process, directory: Path) -> bool:
    try:
        is_ours = process.environ().get("QUEUEHUB_RUNTIME_DIR") == str(directory)
        return is_ours and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
