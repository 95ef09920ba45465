"""A hard time limit for a worker that no pool parent watches: a timer of the kernel that kills the process.

It needs neither the interpreter nor a second process, so C code that holds the interpreter does not stop it.
Only Linux has such timers; elsewhere the limits of such workers are soft.
"""

import ctypes
import os
import signal
import sys

CLOCK_MONOTONIC = 1  # the clock of time.monotonic() on Linux
TIMER_ABSTIME = 1

is_supported = sys.platform == "linux"


class _SigEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),  # 0: SIGEV_SIGNAL
        ("padding", ctypes.c_char * 48),
    )


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("value_seconds", ctypes.c_long),
        ("value_nanoseconds", ctypes.c_long),
    )


class HardLimit:
    """One kernel timer of this process; a forked child has none until it makes its own."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _SigEvent(signal=signal.SIGKILL, notify=0)
        self._call("timer_create", CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer))

    def arm(self, deadline_seconds: float) -> None:
        """Kill this process at this reading of `time.monotonic()`; 0 means never. Replaces what was set."""
        whole = int(deadline_seconds)
        spec = _TimerSpec(0, 0, whole, int((deadline_seconds - whole) * 1e9))
        self._call("timer_settime", self._timer, TIMER_ABSTIME, ctypes.byref(spec), None)

    def close(self) -> None:
        """Give the timer back to the kernel."""
        self._call("timer_delete", self._timer)

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")
