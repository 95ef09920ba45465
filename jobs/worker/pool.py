"""The pool parent: forks workers, beats for them, kills what overruns, buries the dead and replaces them.

It has one thread and runs no task, so it can always act. It forks with all connections closed; children open theirs.
"""

import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connections

from jobs import lifecycle, live, logs
from jobs.conf import get_settings
from jobs.failpoints import reach
from jobs.heartbeat_file import HeartbeatFile
from jobs.lifecycle import Remains
from jobs.models.worker import Request
from jobs.statements import be_impatient
from jobs.states import Outcome
from jobs.transports import get_transport
from jobs.worker.board import Board
from jobs.worker.options import WorkerOptions
from jobs.worker.process import DRAIN_SIGNAL, WorkerProcess, board_for, new_worker_id
from jobs.worker.vitals import memory_bytes, runs_text

logger = logging.getLogger("jobs.pool")

TICK_SECONDS = 0.1
CANCEL_SECONDS = 1.0
LEDGER_SECONDS = 0.5
"""Longest wait for SQLite's write lock; a worker that hangs in C code may hold it until it is killed."""
KILL_SECONDS = 6.0
"""How long after the grace of a shutdown a worker may take before it is killed."""
CRASH_SECONDS = 5.0
"""A worker that dies younger than this, before any run, has crashed at its start; the next one waits, ever longer."""
FORK_SECONDS = 1.0
"""How long the parent waits when the system lets it have no more processes."""
RECYCLED = 3
"""Exit code of a worker that has reached max_jobs."""


@dataclass(slots=True, eq=False)
class Child:
    """A worker as its parent knows it."""

    worker_id: str
    pid: int
    board: Board
    started_seconds: float = field(default_factory=time.monotonic)
    overrun: UUID | None = None
    """The run for which it is being killed."""


@contextmanager
def _stop_held_back() -> Iterator[None]:
    """Keep SIGTERM waiting until a forked worker is known here and has a handler of its own; else it were lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})


class Pool:
    """Keeps `process_count` workers alive until it is told to stop or, in burst mode, until all have ended."""

    def __init__(self, options: WorkerOptions) -> None:
        self.options = options
        self.name = new_worker_id()
        self.children: list[Child] = []
        self.unburied: list[tuple[str, dict[UUID, Remains]]] = []
        self.stopped_seconds: float | None = None
        self.is_draining = False
        self._spawn_not_before = 0.0
        self._crash_count = 0
        self._needs_successor = True  # in burst mode: a worker ended, but not for want of work
        self._beaten_seconds = self._cancels_seconds = 0.0
        self._is_well = True

    def run(self) -> int:
        """Run the pool; returns the exit code."""
        live.be_mute()  # a Redis that does not answer must not keep this thread from acting
        wakeup, sleeper = socket.socketpair()
        wakeup.setblocking(False)
        sleeper.setblocking(False)
        signal.set_wakeup_fd(sleeper.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop
        sign = HeartbeatFile("worker")
        while True:
            self._reap()
            self._kill_overdue()
            self._spawn_missing()
            if not self.children and self._may_end():
                break
            self._keep_books()
            if self._crash_count < 3:  # else its workers die at their start
                sign.renew(is_beating=self._is_well)
            if select.select([wakeup], [], [], TICK_SECONDS)[0]:
                wakeup.recv(4096)
        sign.remove()
        signal.set_wakeup_fd(-1)
        wakeup.close()
        sleeper.close()
        return 0

    def stop(self) -> None:
        """Ask all workers to end; a second call changes nothing."""
        if self.stopped_seconds is None:
            self.stopped_seconds = time.monotonic()
            for child in self.children:
                self._signal(child, signal.SIGTERM)

    def _may_end(self) -> bool:
        if self.is_draining and self.stopped_seconds is None:
            return not self.unburied
        if self.stopped_seconds is None:
            return self.options.is_burst and not self.unburied and not self._needs_successor
        # with the ledger away the dead cannot be buried: any scheduler will, after their silence
        return not self.unburied or time.monotonic() > self._grace_end() + 2 * KILL_SECONDS

    # -- birth ---------------------------------------------------------------------------------------------------

    def _spawn_missing(self) -> None:
        if self.stopped_seconds is not None or self.is_draining or time.monotonic() < self._spawn_not_before:
            return
        if self.options.is_burst and not self._needs_successor:
            return
        while len(self.children) < self.options.process_count and self.stopped_seconds is None:
            try:
                with _stop_held_back():
                    self.children.append(self._fork())
            except OSError as error:  # no memory or no process to be had; the workers that live go on
                self._spawn_not_before = time.monotonic() + FORK_SECONDS
                logger.error("cannot start a worker: %s; next try in %.1f s", error, FORK_SECONDS)
                return
        self._needs_successor = False

    def _fork(self) -> Child:
        worker_id, board = new_worker_id(), board_for(self.options)
        connections.close_all()
        get_transport().close()
        sys.stdout.flush()
        sys.stderr.flush()
        parent_pid = os.getpid()
        pid = os.fork()
        if pid:
            reach("pool.forked")
            return Child(worker_id, pid, board)
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
            for sibling in self.children:
                sibling.board.close()
            is_recycled = WorkerProcess(worker_id, self.name, self.options, board, parent_pid).run()
            code = RECYCLED if is_recycled else 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    # -- death ---------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        for child in list(self.children):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self.children.remove(child)
                reach("pool.reaped")
                self._take_leave(child, os.waitstatus_to_exitcode(status))

    def _take_leave(self, child: Child, code: int) -> None:
        remains = self._remains(child)
        self._needs_successor = code != 0 or bool(remains)  # a task may end its process with 0
        if code in (0, RECYCLED) and not remains:
            self._crash_count = 0
        else:
            is_young = time.monotonic() - child.started_seconds < CRASH_SECONDS
            is_crash = is_young and not remains and not child.board.begun_count
            self._crash_count = self._crash_count + 1 if is_crash else 0
            if is_crash:
                delay = min(0.5 * 2**self._crash_count, 30.0)
                self._spawn_not_before = time.monotonic() + delay
                logs.tell_crash(child.worker_id, code, delay)
            else:
                logs.tell_death(child.worker_id, code, len(remains))
            self.unburied.append((child.worker_id, remains))
        child.board.close()

    def _remains(self, child: Child) -> dict[UUID, Remains]:
        entries, now = list(child.board.entries()), time.monotonic()
        running = [entry for entry in entries if entry.is_running]
        remains = {}
        for entry in entries:
            if not entry.is_running:
                outcome, message = Outcome.CANCELLED, "the worker died after the run and before it was recorded"
            elif entry.job_id == child.overrun:
                outcome, message = Outcome.TIMEOUT, "killed at the hard limit: the soft limit had no effect"
            elif child.overrun is not None:
                outcome, message = Outcome.CANCELLED, "its worker was killed for another run's hard limit"
            elif self.stopped_seconds is not None and now > self._grace_end():
                outcome, message = Outcome.CANCELLED, "killed at the end of the shutdown's grace"
            else:
                outcome, message = Outcome.LOST, "the worker died in mid-run"
            remains[entry.job_id] = Remains(outcome, message, entry.started_seconds, now, len(running) == 1)
        return remains

    def _bury(self) -> None:
        while self.unburied:
            reach("pool.burying")
            lifecycle.lose_worker(self.unburied[0][0], remains=self.unburied[0][1])
            reach("pool.buried")
            self.unburied.pop(0)

    def _grace_end(self) -> float:
        return (self.stopped_seconds or 0.0) + get_settings().shutdown_grace_seconds

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        is_stop_overdue = self.stopped_seconds is not None and now > self._grace_end() + KILL_SECONDS
        for child in self.children:
            if is_stop_overdue:
                self._signal(child, signal.SIGKILL)
                continue
            for entry in child.board.running():
                if entry.deadline_seconds and now > entry.deadline_seconds:
                    logger.error("job %s overran its hard limit; killing %s", entry.job_id, child.worker_id)
                    child.overrun = entry.job_id
                    self._signal(child, signal.SIGKILL)
                    break

    def _signal(self, child: Child, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it is about to be reaped
            os.kill(child.pid, number)

    # -- signs of life -------------------------------------------------------------------------------------------

    def _keep_books(self) -> None:
        """Do what needs the ledger, and never wait long for it: the parent must act on time."""
        try:
            be_impatient(LEDGER_SECONDS)
            self._bury()
            self._beat()
            self._pass_cancels_on()
        except Exception as error:  # of any kind: a parent that ends takes its workers with it
            is_away = isinstance(error, DatabaseError)
            if self._is_well:
                words = "the ledger is away: %s" if is_away else "a duty of the pool failed: %s"
                logger.warning(words, error, exc_info=not is_away)
            self._is_well = False
            lifecycle.drop_connection()

    def _beat(self) -> None:
        if time.monotonic() - self._beaten_seconds < get_settings().heartbeat_seconds:
            return
        enrolled = [child for child in self.children if child.board.is_enrolled]
        living = lifecycle.heartbeat([(c.worker_id, runs_text(c.board), memory_bytes(c.pid)) for c in enrolled])
        self._beaten_seconds = time.monotonic()
        if not self._is_well:
            logger.info("heartbeats are written again")
            self._is_well = True
        self._obey(set(living.values()))
        for child in enrolled:
            # a worker that has just signed off is missing as well, and is about to exit
            is_ending = self.is_draining or self.stopped_seconds is not None or self.options.is_burst
            if child.worker_id not in living and not is_ending:
                logger.error("worker %s was given up by others while it was silent; replacing it", child.worker_id)
                self._signal(child, signal.SIGKILL)

    def _obey(self, requests: set[str]) -> None:
        if Request.STOP in requests:
            self.stop()
        self.is_draining = self.is_draining or Request.DRAIN in requests
        if self.is_draining and self.stopped_seconds is None:
            for child in self.children:  # one that was just forked has no handler before it is enrolled
                if child.board.is_enrolled:
                    self._signal(child, DRAIN_SIGNAL)

    def _pass_cancels_on(self) -> None:
        if time.monotonic() - self._cancels_seconds < CANCEL_SECONDS:
            return
        self._cancels_seconds = time.monotonic()
        busy = {child.worker_id: child for child in self.children if any(child.board.entries())}
        for job_id, worker_id in lifecycle.cancel_requests(list(busy)).items():
            busy[worker_id].board.cancel(job_id)
