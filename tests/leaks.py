"""Finds the threads and processes that a test leaves behind."""

import os
import threading
from dataclasses import dataclass

import psutil
from asgiref.sync import SyncToAsync

from tests.run_directory import MARK, directory


@dataclass(frozen=True)
class Census:
    """The threads of this process and the ids of all processes, at one moment."""

    threads: frozenset[threading.Thread]
    pids: frozenset[int]

    @classmethod
    def take(cls) -> "Census":
        return cls(frozenset(threading.enumerate()), frozenset(psutil.pids()))

    def is_complete(self) -> bool:
        """Say that nobody came. Raises: AssertionError that names the newcomers."""
        found = self.newcomers()
        assert not found, found
        return True

    def newcomers(self) -> list[str]:
        """Describe what runs now, belongs to this test run and did not run then."""
        threads = [
            thread
            for thread in threading.enumerate()
            if thread not in self.threads and not _is_asgiref(thread)
        ]
        pids = [pid for pid in psutil.pids() if pid not in self.pids and _belongs_to_this_run(pid)]
        return [f"thread {thread.name}" for thread in threads] + [_described(pid) for pid in pids]


def _is_asgiref(thread: threading.Thread) -> bool:
    """The one thread in which asgiref runs synchronous code stays for the whole process."""
    return thread in SyncToAsync.single_thread_executor._threads


def _belongs_to_this_run(pid: int) -> bool:
    """Orphans count too, wherever they hang in the process tree: the environment tells them."""
    if pid == os.getpid():
        return False
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(directory())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _described(pid: int) -> str:
    try:
        return f"process {pid} {' '.join(psutil.Process(pid).cmdline())}"
    except psutil.NoSuchProcess:
        return f"process {pid}"
