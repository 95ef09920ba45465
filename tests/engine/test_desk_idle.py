"""Idle slots of one worker do not keep each other awake."""

import threading
import time

from jobs.worker.board import Board
from jobs.worker.desk import Desk


def test_idle_threads_wait_without_burning_the_processor() -> None:
    desk = Desk(Board(8), thread_count=4, coroutine_count=0)
    waits: list[float] = []

    def wait() -> None:
        begun_seconds = time.monotonic()
        assert desk.take_sync(wait_seconds=0.3) is None
        waits.append(time.monotonic() - begun_seconds)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(waits) >= 0.29  # none was woken by another one's falling idle
