"""Which machine this is and which process is meant: what makes "its process is gone" a proof.

A pid alone proves nothing: numbers are used again, and another container has its own. A process is named by
the host (boot and PID namespace), the pid and the moment it started.
"""

import os
import socket
from functools import lru_cache
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_GONE = ("Z", "X", "x")  # a zombie runs nothing any more


@lru_cache(maxsize=1)
def host_identity() -> str:
    """Return the name of the boot and PID namespace in which this process's pids mean something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:  # not Linux
        return f"{socket.gethostname()}:{int(psutil.boot_time())}"
    return f"{boot}:{namespace}"


def process_started_at(pid: int) -> float | None:
    """Return when the process started, None if there is none (or only its zombie).

    Seconds since the boot on Linux, where the wall clock may be set in between; Unix seconds elsewhere.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _created_at(pid)
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if fields[0] in _GONE else int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _created_at(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def is_same_process(pid: int, started_at: float) -> bool:
    """Tell whether the process `pid` on this host is alive and is the one that started at `started_at`."""
    actual = process_started_at(pid)
    return actual is not None and abs(actual - started_at) < 0.5
