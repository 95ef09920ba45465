"""Process trees: who belongs to one, what memory it holds, and its end.

A tree is a session of its own: every process that a worker forks is in it, whatever groups they make.
"""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil


def members(session: int) -> list[int]:
    """Return the living processes of a session, its leader first."""
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session:
                found.append(process.pid)
    return sorted(found)


def kill_tree(process: "subprocess.Popen[Any]") -> None:
    """Send SIGKILL to all of its processes at once, until none is left, and reap the leader."""
    while pids := members(process.pid):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.005)
    process.wait()


def proportional_bytes(process: "subprocess.Popen[Any]") -> int:
    """Return what memory a tree holds, pages that it shares with others counted by its share (PSS)."""
    return sum(_proportional_bytes(pid) for pid in members(process.pid))


def _proportional_bytes(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
