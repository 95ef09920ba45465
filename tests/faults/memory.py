"""A limit on the memory of one process and its children, by a control group of the kernel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
VERSION_1 = ROOT / "memory"


class NoLimitError(Exception):
    """This machine lets nobody limit memory; the message says what was tried."""


@contextmanager
def limited(pid: int, megabytes: int) -> Iterator[Path]:
    """Limit `pid` and every process that it forks from now on; yields the group's directory.

    Raises: NoLimitError where the control groups cannot be written.
    """
    is_version_1 = VERSION_1.is_dir()
    group = (VERSION_1 if is_version_1 else ROOT) / f"queuehub-test-{os.getpid()}-{pid}"
    try:
        group.mkdir()
        limit = group / ("memory.limit_in_bytes" if is_version_1 else "memory.max")
        limit.write_text(str(megabytes << 20))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        raise NoLimitError(f"control groups cannot be used here: {error}") from error
    try:
        yield group
    finally:
        for member in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (group.parent / "cgroup.procs").write_text(member)
        with suppress(OSError):
            group.rmdir()
