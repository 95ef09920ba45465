"""What the figures were measured on."""

import os
import platform
import shutil
import sqlite3
import subprocess
from pathlib import Path

import django
import psutil
from redis import Redis

from benchmarks.runtimes import PROJECT
from benchmarks.servers import POSTGRESQL_OPTIONS, PostgreSQL

SHOWN = (
    "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "checkpoint_timeout",
)  # fmt: skip


def machine(directory: Path, postgresql: PostgreSQL, redis: Redis) -> dict[str, str]:
    """Return names and values to print above the table."""
    options = ", ".join(f"{name}={value}" for name, value in POSTGRESQL_OPTIONS.items() if name in SHOWN)
    valkey = redis.info("server")
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {_file_system(directory)}",
        "python": platform.python_version(),
        "django": django.get_version(),
        "queuehub": _revision(),
        "postgresql": f"{postgresql.version()}; {options}",
        "valkey": f"{valkey.get('valkey_version') or valkey['redis_version']}, without persistence",
        "sqlite": sqlite3.sqlite_version,
    }


def load() -> float:
    """Return how many processes wanted a core in the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(directory: Path) -> str:
    mounts = [part for part in psutil.disk_partitions(all=True) if directory.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown file system"


def _revision() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    if shutil.which("git") is None:
        return "unknown"
    changed = " with changes" if git("status", "--porcelain", "--", "jobs", "queuehub") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed
