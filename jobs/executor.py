"""One run, as a sentence: resolve the task, call it within its limits, and record how it ended.

Nothing here raises what a task raises: whatever happens ends as the outcome of the Run, which `lifecycle.settle` then
writes. Limits are enforced by the caller (a timer in the main thread, `asyncio.timeout` for coroutines).
"""

import asyncio
import contextvars
import inspect
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs import lifecycle
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
    return inspect.iscoroutinefunction(task.func)


def execute(run: Run, context: TaskContext) -> None:
    """Run a synchronous task to its end in this thread, and leave the connections clean for the next one."""
    execute_untidily(run, context)
    tidy_connections()


def execute_untidily(run: Run, context: TaskContext) -> None:
    """Run a synchronous task inside whatever transaction the caller is in; for tests."""
    with recording(run):
        task, args, kwargs = _prepared(run, context)
        # a context of its own: what the task sets (time zone, language, …) ends with it
        call = contextvars.copy_context().run
        if task.atomic:
            call(_run_atomic, run, task, args, kwargs)
        else:
            run.result_text = encode_result(call(task.func, *args, **kwargs))


async def aexecute(run: Run, context: TaskContext) -> None:
    """Run an asynchronous task to its end; the caller gives each run an asyncio task, hence a context, of its own."""
    with recording(run):
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


@contextmanager
def recording(run: Run) -> Iterator[None]:
    """Turn whatever the block does into the outcome of the run."""
    run.started_seconds = time.monotonic()
    try:
        yield
        run.outcome = Outcome.SUCCESS
    except Decision as decision:
        _record_decision(run, decision)
    except TaskTimeout as error:
        _record_error(run, error, Outcome.TIMEOUT)
    except TimeoutError as error:
        limit = limit_seconds(run)
        if limit and is_async(run) and run.started_seconds + limit <= time.monotonic():
            # what asyncio.timeout raises; its cause knows where the task was
            frames = (error.__cause__ or error).__traceback__
            error = TaskTimeout("timeout_seconds passed").with_traceback(frames)
            _record_error(run, error, Outcome.TIMEOUT)
        else:
            _record_error(run, error, Outcome.ERROR)
    except Interrupted as error:
        _record_interruption(run, error)
    except asyncio.CancelledError as error:
        if _is_being_cancelled():
            _record_interruption(run, error)
        else:  # the task awaited something that was cancelled: run again without counting, it might do so for ever
            _record_error(run, error, Outcome.ERROR)
    except BaseException as error:  # SystemExit of a task ends the task, not the worker
        _record_error(run, error, Outcome.ERROR)
    run.finished_seconds = time.monotonic()


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
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block or connection.needs_rollback:
            # inside a block, close() keeps the closed connection for the block's end, which never comes
            connection.in_atomic_block = connection.closed_in_transaction = False
            connection.close()
        elif connection.connection is not None:
            if not connection.get_autocommit() or _is_in_transaction(connection):
                connection.close()
            else:
                connection.close_if_unusable_or_obsolete()


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Ask the driver: a time-out that strikes while BEGIN waits leaves a transaction that Django knows nothing of."""
    if connection.vendor == "sqlite":
        return bool(connection.connection.in_transaction)
    if connection.vendor == "postgresql":
        return bool(connection.connection.info.transaction_status)  # 0: idle
    return False


