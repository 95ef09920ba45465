"""One run, as a sentence: resolve the task, call it within its limits, and record how it ended.

Nothing here raises what a task raises: whatever happens ends as the outcome of the Run, which `lifecycle.settle` then
writes. Limits are enforced by the caller (a timer in the main thread, `asyncio.timeout` for coroutines).
"""

import asyncio
import contextvars
import inspect
import json
import logging
import threading
import time
from functools import lru_cache
from types import TracebackType
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs import lifecycle, log_context, logs, traces
from jobs.conf import get_settings
from jobs.context import TaskContext
from jobs.definition import JobTask, registry
from jobs.errors import (
    MAX_DELAY_SECONDS,
    Decision,
    Discard,
    Interrupted,
    InvalidJob,
    PermanentError,
    ResultNotJSON,
    Snooze,
    TaskTimeout,
    TooLarge,
    shown,
)
from jobs.failpoints import reach
from jobs.runs import Run
from jobs.states import JobState, Outcome
from jobs.strict_json import dump, plain
from jobs.tracebacks import class_of, message_of, traceback_of

logger = logging.getLogger("jobs.executor")

MOST_RESULT_BYTES = 64 * 1024 * 1024
"""A larger result is not even encoded: of it only the fact stays."""


class Fenced(Exception):
    """The claim of an atomic run is gone: its transaction must not commit."""


def limit_seconds(run: Run) -> float:
    """Return the soft limit of this run in seconds; 0 means none."""
    if run.timeout_seconds is not None:
        return float(run.timeout_seconds)
    return float(registry.get(run.task).limit_seconds) if run.task in registry else 0.0


def is_async(run: Run) -> bool:
    """Tell whether the run belongs on the event loop."""
    return run.task in registry and is_async_task(registry.get(run.task))


def is_async_task(task: JobTask) -> bool:
    """Tell whether runs of the task belong on the event loop."""
    return _is_coroutine_function(task.func)


_is_coroutine_function = lru_cache(maxsize=4096)(inspect.iscoroutinefunction)


def execute(run: Run, context: TaskContext) -> None:
    """Run a synchronous task to its end in this thread, and leave the connections clean for the next one."""
    execute_untidily(run, context)
    tidy_connections()


def execute_untidily(run: Run, context: TaskContext) -> None:
    """Run a synchronous task inside whatever transaction the caller is in; for tests."""
    with Recording(run):
        task, args, kwargs = _prepared(run, context)
        # a context of its own: what the task sets (time zone, language, …) ends with it
        call = contextvars.copy_context().run
        if task.atomic:
            call(_run_atomic, run, task, args, kwargs)
        else:
            run.result_text = encode_result(call(task.func, *args, **kwargs))


async def aexecute(run: Run, context: TaskContext) -> None:
    """Run an asynchronous task to its end; the caller gives each run an asyncio task, hence a context, of its own."""
    with Recording(run):
        task, args, kwargs = _prepared(run, context)
        async with asyncio.timeout(limit_seconds(run) or None):
            value = await task.func(*args, **kwargs)
        run.result_text = encode_result(value)


def _prepared(run: Run, context: TaskContext) -> tuple[JobTask, list[Any], dict[str, Any]]:
    task = registry.get(run.task)
    args, kwargs = run.args, run.kwargs
    task.bind(args, kwargs)
    if task.takes_context:
        run.log = context.open_log()
        args = [context, *args]
    return task, args, kwargs


def _run_atomic(run: Run, task: JobTask, args: list[Any], kwargs: dict[str, Any]) -> None:
    alias = get_settings().database
    try:
        with transaction.atomic(using=alias):
            # first in line, so that a hook of the task that raises after the COMMIT finds the run settled
            transaction.on_commit(lambda: _mark_settled(run), using=alias)
            run.result_text = encode_result(task.func(*args, **kwargs))
            run.outcome, run.finished_seconds = Outcome.SUCCESS, time.monotonic()
            states = lifecycle.settle([run])
            run.is_settled = False  # until the COMMIT
            reach("atomic.settled")
            if not states:
                raise Fenced
            if states[run.job_id] != JobState.SUCCEEDED:
                raise PermanentError("the success could not be recorded; its effects are undone")
        reach("atomic.committed")
    except Fenced:
        run.is_settled = True  # somebody else has the job: there is nothing to record
    except Exception:
        if not run.is_settled:
            raise
        logger.exception("a hook on the commit of %s failed; the job has succeeded", run.job_id)


def _mark_settled(run: Run) -> None:
    run.is_settled = True


class Recording:
    """Turn whatever the block does into the outcome of the run."""

    # no generator: this surrounds every run, and costs a third so
    __slots__ = ("run",)

    def __init__(self, run: Run) -> None:
        self.run = run

    def __enter__(self) -> None:
        if self.run.started_seconds is None:  # else an interrupt struck just behind its end
            if logs.tells_starts:
                logs.tell_start(self.run)
            if traces.tracer is not None:
                traces.tracer.begin(self.run)
        log_context.bind(self.run)
        self.run.started_seconds = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> bool:
        if error is None:
            self.run.outcome = Outcome.SUCCESS
        else:
            _record(self.run, error)
        self.run.finished_seconds = time.monotonic()
        log_context.bind(None)
        if traces.tracer is not None:
            traces.tracer.end(self.run)
        return True


def _record(run: Run, error: BaseException) -> None:
    match error:
        case Decision():
            _record_decision(run, error)
        case TaskTimeout():
            _record_error(run, error, Outcome.TIMEOUT)
        case TimeoutError() if _is_over_limit(run):
            # what asyncio.timeout raises; its cause knows where the task was
            frames = (error.__cause__ or error).__traceback__
            _record_error(run, TaskTimeout("timeout_seconds passed").with_traceback(frames), Outcome.TIMEOUT)
        case Interrupted():
            _record_interruption(run, error)
        case asyncio.CancelledError() if _is_being_cancelled():
            _record_interruption(run, error)
        case _:
            # SystemExit of a task ends the task, not the worker. And if it awaited something that was cancelled, that
            # counts: run again without counting, it might do so for ever.
            _record_error(run, error, Outcome.ERROR)


def _is_over_limit(run: Run) -> bool:
    limit = limit_seconds(run)
    return bool(limit) and is_async(run) and (run.started_seconds or 0.0) + limit <= time.monotonic()


def _is_being_cancelled() -> bool:
    try:
        current = asyncio.current_task()
    except RuntimeError:  # no event loop in this thread
        return False
    return current is not None and current.cancelling() > 0


def _record_decision(run: Run, decision: Decision) -> None:
    seconds = getattr(decision, "in_seconds", None)
    if seconds is not None and not _is_delay(seconds):
        _record_error(run, ValueError(f"in_seconds is {shown(seconds)}, not a delay of up to a year"), Outcome.ERROR)
        return
    run.delay_seconds = seconds
    if isinstance(decision, Snooze):
        run.outcome, run.message = Outcome.SNOOZED, message_of(decision)
    elif isinstance(decision, Discard):
        run.outcome, run.message = Outcome.DISCARDED, message_of(decision)
    else:
        _record_error(run, decision, Outcome.ERROR)


def _is_delay(seconds: Any) -> bool:
    # checked when it was made, but a subclass, or whoever caught it, may have set another
    return type(seconds) in (int, float) and 0 <= seconds <= MAX_DELAY_SECONDS


def _record_interruption(run: Run, error: BaseException) -> None:
    run.outcome, run.message = Outcome.CANCELLED, message_of(error) or "interrupted by the worker's shutdown"


def _record_error(run: Run, error: BaseException, outcome: Outcome) -> None:
    run.outcome, run.error, run.result_text = outcome, error, None
    run.exception_class, run.message = class_of(error), message_of(error)
    run.traceback = traceback_of(error, get_settings().max_traceback_bytes, _own_frames(error.__traceback__))


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Skip the frames of this file, so that a traceback begins with the task."""
    first = frames
    while first is not None and first.tb_frame.f_code.co_filename == __file__:
        first = first.tb_next
    return first or frames


def encode_result(value: Any) -> str | None:
    """Return a task's result as JSON text, None for None.

    NUL, lone surrogates and NaN are replaced; an oversized result is cut and marked.

    Raises: ResultNotJSON.
    """
    if value is None:
        return None
    limit = get_settings().max_result_bytes
    try:
        text = dump("result", plain("result", value, MOST_RESULT_BYTES, is_lenient=True), MOST_RESULT_BYTES)
    except TooLarge:
        return json.dumps({"truncated": True, "bytes": None, "head": ""})
    except InvalidJob as error:
        raise ResultNotJSON(f"the result is not JSON: {error}") from None
    data = text.encode()
    if len(data) > limit:
        head = data[: limit // 2].decode(errors="ignore")
        text = json.dumps({"truncated": True, "bytes": len(data), "head": head}, ensure_ascii=False)
    return text


def tidy_connections() -> None:
    """Close what a task left in a transaction, and what has become stale or too old."""
    for connection in _connections_of_this_thread():
        if connection.in_atomic_block or connection.needs_rollback:
            # inside a block, close() keeps the closed connection for the block's end, which never comes
            connection.in_atomic_block = connection.closed_in_transaction = False
            connection.close()
        elif connection.connection is not None:
            if not connection.autocommit or _is_in_transaction(connection):
                connection.close()
            elif connection.errors_occurred or connection.close_at is not None:
                connection.close_if_unusable_or_obsolete()
            else:
                # whoever uses it next looks first whether it still lives
                connection.health_check_done = False  # type: ignore[attr-defined] # the stubs do not know it


def _connections_of_this_thread() -> list[BaseDatabaseWrapper]:
    """Return the wrappers of all databases; they live as long as their thread, and to look them up is dear."""
    found: list[BaseDatabaseWrapper] | None = getattr(_of_thread, "connections", None)
    if found is None:
        found = _of_thread.connections = [connections[alias] for alias in connections]
    return found


_of_thread = threading.local()


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Ask the driver: a time-out that strikes while BEGIN waits leaves a transaction that Django knows nothing of."""
    if connection.vendor == "sqlite":
        return bool(connection.connection.in_transaction)
    if connection.vendor == "postgresql":
        return bool(connection.connection.info.transaction_status)  # 0: idle
    return False


