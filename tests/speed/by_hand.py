"""A worker whose real parts are moved in turn, so that a drain says the same on every machine.

What a worker does by the clock (reading the names of queues, its duties, the size of its batches by the time that
runs take) would make the figures those of the machine; it happens once here, and batches are full.
"""

import threading
from typing import Any

import pytest

from jobs import live
from jobs.worker import backlog, receiver, settler
from jobs.worker.averages import Averages
from jobs.worker.desk import Desk
from jobs.worker.options import WorkerOptions
from jobs.worker.process import board_for
from jobs.worker.receiver import Receiver
from jobs.worker.settler import Settler
from jobs.worker.slots import ThreadSlot
from tests.factories import WORKER

NEVER_SECONDS = 1e9
CLOCKS = (
    (receiver, "REFRESH_SECONDS"),
    (backlog, "LOOK_SECONDS"),
    (settler, "PROGRESS_SECONDS"),
    (settler, "REGISTER_SECONDS"),
    (settler, "AUDIT_SECONDS"),
)


def stop_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all that happens at intervals happen once, but every live event go out, as on the slowest machine."""
    for module, name in CLOCKS:
        monkeypatch.setattr(module, name, NEVER_SECONDS)
    monkeypatch.setattr(live, "SPACING_SECONDS", 0.0)


class WorkerByHand:
    """Receiver, slot and settler of the worker `WORKER`, which is enrolled already."""

    def __init__(self, task: Any) -> None:
        options = WorkerOptions(queues=("default",))  # of all queues, those of every imported test would count
        self.board = board_for(options)
        self.desk = Desk(self.board, thread_count=1, coroutine_count=0)
        known = Averages()
        known.learn(task.module_path, 0.0, slot_count=1)
        self.receiver = Receiver(self.desk, known, WORKER, options)
        self.settler = Settler(self.desk, WORKER, None, self.receiver.queues, lambda grace_seconds: None)
        self.settler.is_finished = True  # it ends when the desk is empty
        self.slot = ThreadSlot(self.desk, Averages(), lambda: self.board.begun_count >= self._goal)
        self._goal = 0

    def drain(self, count: int) -> None:
        """Receive, run and settle `count` jobs."""
        while self.board.begun_count < count:
            self.receiver.step()
            self._goal = self.board.begun_count + len(self.desk.known_ids())
            # in a thread, as everywhere: a slot looks after its own connections, not the receiver's
            thread = threading.Thread(target=self.slot.run, name="slot")
            thread.start()
            thread.join()
            self.settler.run()
