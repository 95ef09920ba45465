"""The slots of a worker: the main thread, further threads, and coroutines on one event loop."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from asgiref.sync import sync_to_async

from jobs import executor
from jobs.errors import Interrupted, TaskTimeout
from jobs.soft_limit import REPEAT_SECONDS
from jobs.worker.averages import Averages
from jobs.worker.desk import Begun, Desk

logger = logging.getLogger("jobs.worker")

WAIT_SECONDS = 0.2

class ThreadSlot:
    """Runs synchronous tasks in the current thread."""

    def __init__(self, desk: Desk, averages: Averages, is_finished: Callable[[], bool]) -> None:
        self.desk, self.averages, self.is_finished = desk, averages, is_finished

    def run(self) -> None:
        """Run what comes until finished."""
        ended: Begun | None = None
        while True:
            item = self.desk.take_sync(WAIT_SECONDS, ended)
            ended = None
            if isinstance(item, Begun):
                self._execute(item)
                ended = item
            elif item is not None:
                item()
            elif self.is_finished():
                break

    def _execute(self, begun: Begun) -> None:
        try:
            self._limited(begun)
        except BaseException as error:
            # an interrupt that struck just after the end of the run, or a defect of ours: the run must not vanish
            with executor.Recording(begun.run):
                raise error
        self.averages.learn(begun.run.task, begun.run.run_seconds, self.desk.thread_count)

    def _limited(self, begun: Begun) -> None:
        executor.execute(begun.run, begun.context)


class MainSlot(ThreadSlot):
    """The slot of the main thread, where a soft limit is a signal."""

    def __init__(self, desk: Desk, averages: Averages, is_finished: Callable[[], bool]) -> None:
        super().__init__(desk, averages, is_finished)
        self._is_armed = False
        self._kind: type[BaseException] = TaskTimeout
        signal.signal(signal.SIGALRM, self._strike)

    def _limited(self, begun: Begun) -> None:
        begun.interrupt = self.interrupt
        self._kind, self._is_armed = TaskTimeout, True
        if begun.limit_seconds:
            signal.setitimer(signal.ITIMER_REAL, begun.limit_seconds, REPEAT_SECONDS)
        try:
            executor.execute(begun.run, begun.context)
        finally:
            self._is_armed = False
            if begun.limit_seconds:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def _strike(self, number: int, frame: FrameType | None) -> None:
        if self._is_armed:
            raise self._kind("timeout_seconds passed" if self._kind is TaskTimeout else "interrupted by a shutdown")

    def interrupt(self, kind: type[BaseException]) -> None:
        """Raise `kind` in the run of the main thread; for other threads."""
        if kind is Interrupted:
            self._kind = Interrupted
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)


class CoroutineSlots:
    """Runs asynchronous tasks on an event loop in a thread of its own."""

    def __init__(self, desk: Desk, averages: Averages, is_finished: Callable[[], bool]) -> None:
        self.desk, self.averages, self.is_finished = desk, averages, is_finished
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tidied_seconds = 0.0
        desk.on_async = self._awake

    def run(self) -> None:
        """Run what comes until finished."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _awake(self) -> None:
        self._loop.call_soon_threadsafe(self._wake.set)

    async def _serve(self) -> None:
        while not (self.is_finished() and not self._tasks):
            self._wake.clear()
            while begun := self.desk.take_async():
                task = self._loop.create_task(self._execute(begun))
                begun.interrupt = self._interrupter(task)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            try:
                await asyncio.wait_for(self._wake.wait(), WAIT_SECONDS)
            except TimeoutError:
                continue

    async def _execute(self, begun: Begun) -> None:
        try:
            await executor.aexecute(begun.run, begun.context)
        except BaseException as error:  # as in ThreadSlot: the run must not vanish
            with executor.Recording(begun.run):
                raise error
        self.desk.end(begun)
        self.averages.learn(begun.run.task, begun.run.run_seconds, self.desk.coroutine_count)
        self._wake.set()
        if time.monotonic() - self._tidied_seconds > 1.0:
            self._tidied_seconds = time.monotonic()
            await sync_to_async(executor.tidy_connections)()

    def _interrupter(self, task: "asyncio.Task[None]") -> Callable[[type[BaseException]], None]:
        def interrupt(kind: type[BaseException]) -> None:
            self._loop.call_soon_threadsafe(task.cancel)

        return interrupt
