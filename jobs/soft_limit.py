"""A soft time limit for the main thread: a signal that raises in the code that runs there."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

REPEAT_SECONDS = 1.0
"""The limit strikes again after this time, should the code have swallowed it."""


@contextmanager
def soft_limit(seconds: float, exception: BaseException) -> Iterator[None]:
    """Raise `exception` inside the block once it has taken `seconds`; 0 means never.

    In another thread than the main one nothing can be interrupted: the block runs without a limit there. A
    timer and a handler of SIGALRM that were set before are set again afterwards.
    """
    if seconds <= 0 or threading.current_thread() is not threading.main_thread():
        yield
        return
    is_inside = True

    def strike(*_: object) -> None:
        if is_inside:
            raise exception

    handler = signal.signal(signal.SIGALRM, strike)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
    try:
        yield
    finally:
        is_inside = False
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
