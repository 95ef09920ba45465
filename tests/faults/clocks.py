"""Processes whose clock is wrong, by libfaketime; the monotonic clock, which orders the records, stays true."""

from pathlib import Path

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


class NoFakeTimeError(Exception):
    """libfaketime is not installed; the message names its package."""


def shifted(seconds: float) -> dict[str, str]:
    """Return the environment of a process whose wall clock is ahead by `seconds`, or behind if negative.

    Raises: NoFakeTimeError.
    """
    found = [path for pattern in LIBRARIES for path in Path("/").glob(pattern.lstrip("/"))]
    if not found:
        raise NoFakeTimeError("libfaketime is not installed (Debian: apt install faketime)")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{seconds:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
