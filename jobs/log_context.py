"""Which run a line of a log belongs to: what a task logs, in whatever thread or coroutine, carries its job.

A run is bound to the context in which its task is called. Coroutines, and whatever copies contexts, have it from
there; plain threads begin with an empty context, so a process that runs tasks hands it on to them.
"""

import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar
from uuid import UUID

P = ParamSpec("P")
T = TypeVar("T")

FIELDS = ("job", "task", "queue", "attempt", "worker", "trace_id")
"""What a line of a task has as attributes of its record; `trace_id` only if the job has one."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")

_is_carried = False


class BoundRun(Protocol):
    """What is read of a run."""

    job_id: UUID
    task: str
    queue: str
    number: int
    worker: str
    trace: str


_bound: ContextVar[BoundRun | None] = ContextVar("queuehub_run", default=None)

bind = _bound.set
"""Let what this context logs from now on belong to a run; None: to no run any more."""


def stamp(record: logging.LogRecord) -> None:
    """Give a record the fields of the run in whose context it is made, unless it tells of a job itself."""
    run = _bound.get()
    known = record.__dict__
    if run is None or "event" in known or "job" in known:
        return
    values = (str(run.job_id), run.task, run.queue, run.number, run.worker, trace_id_of(run.trace) or None)
    for name, value in zip(FIELDS, values, strict=True):
        if value is not None:
            known.setdefault(name, value)


class JobFilter(logging.Filter):
    """Stamps records; for handlers with a formatter of another package, and for those that pass records on.

    Put it on the handler, not on a logger: `{"filters": {"job": {"()": "jobs.log_context.JobFilter"}}}`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        stamp(record)
        return True


def trace_id_of(trace: str) -> str:
    """Return the 32 hexadecimal digits that name the trace of a W3C traceparent; empty if it is none."""
    match = _TRACEPARENT.match(trace)
    return match[1] if match else ""


def carry_into_threads() -> None:
    """Let every thread that a run starts, and every call that it gives to a pool of threads, belong to the run.

    For processes that run tasks: it wraps two methods of the standard library, which otherwise lose the context.
    """
    global _is_carried
    if _is_carried:
        return
    _is_carried = True
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def start_bound(thread: threading.Thread) -> None:
        run = _bound.get()
        if run is not None:
            work = thread.run

            def bound_work() -> None:
                bind(run)
                work()

            thread.run = bound_work  # type: ignore[method-assign] # of this thread alone
        start(thread)

    def submit_bound(pool: ThreadPoolExecutor, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        run = _bound.get()
        if run is None:
            return submit(pool, call, *args, **kwargs)
        token = bind(None)  # a thread that the pool starts for this call serves others later
        try:
            return submit(pool, _call_bound, run, call, *args, **kwargs)
        finally:
            _bound.reset(token)

    threading.Thread.start = start_bound  # type: ignore[method-assign, assignment]
    ThreadPoolExecutor.submit = submit_bound  # type: ignore[method-assign, assignment]


def _call_bound(run: BoundRun, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = bind(run)
    try:
        return call(*args, **kwargs)
    finally:
        _bound.reset(token)
