"""Tasks that the tests of this directory enqueue; each does what its name says."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone, translation

from jobs import task
from jobs.errors import Discard, Retry, Snooze, TaskTimeout
from jobs.retry import DEAD, DISCARD, RETRY, Action, Delays, Fixed, on

SEEN: list[Any] = []
"""What tasks noticed; emptied before each test."""


@task
def add(a: int = 0, b: int = 0) -> int:
    """Return the sum."""
    return a + b


@task(queue_name="letters", priority=7, max_attempts=3, timeout_seconds=11)
def letter(to: str, *, subject: str = "") -> str:
    """Stand for a task with every option of its own."""
    return f"{to}: {subject}"


@task(max_attempts=3, retry=Fixed(seconds=60, jitter=False))
def fail(message: str = "this task fails") -> None:
    """Raise ValueError."""
    raise ValueError(message)


@task(retry=Fixed(seconds=60, rules=(on(OSError, do=RETRY), on(LookupError, do=DISCARD), on(Exception, do=DEAD))))
def fail_by_rule(name: str) -> None:
    """Raise the built-in exception of this name, or ask for a retry."""
    if name == "Retry":
        raise Retry(in_seconds=30)
    raise getattr(__import__("builtins"), name)("by rule")


@task(retry=Delays((60.0,), jitter=False))
def fail_with_one_delay() -> None:
    """Raise; the policy gives up after one delay."""
    raise ValueError


class BrokenPolicy:
    """A policy that an application wrote, and wrote badly."""

    last_words = ""

    def action_for(self, error: BaseException) -> Action:
        type(self).last_words = str(error)
        return RETRY

    def delay_seconds(self, failure_count: int, waited_seconds: float, draw: Any = None) -> float | None:
        if self.last_words == "raise":
            raise RuntimeError("a defect")
        return {"nan": float("nan"), "negative": -1.0, "endless": float("inf")}[self.last_words]


@task(retry=BrokenPolicy())
def fail_by_broken_policy(kind: str) -> None:
    """Raise."""
    raise ValueError(kind)


@task
def decide(word: str, seconds: float = 30) -> None:
    """Raise one of the decisions."""
    raise {"retry": Retry(seconds), "snooze": Snooze(seconds), "discard": Discard("nothing to do")}[word]


@task
def give(value: Any) -> Any:
    """Return what came in."""
    return value


@task
def give_odd(kind: str) -> Any:
    """Return something that JSON cannot hold, or hardly."""
    deep: Any = 1
    for _ in range(900 if kind == "very deep" else 70):
        deep = [deep]
    circular: list[Any] = []
    circular.append(circular)
    odd = {
        "deep": deep,
        "very deep": deep,
        "circular": circular,
        "long number": 10**5000,
        "datetime": datetime(2026, 1, 1, tzinfo=UTC),
        "object": object(),
        "nan": {"x": float("nan")},
        "nul": "a\x00b",
        "surrogate": ["\ud800"],
        "huge": "x" * 100_000,
    }
    return odd[kind]


@task(takes_context=True)
def report(context: Any, word: str = "") -> dict[str, Any]:
    """Return what the context says, after some progress."""
    context.progress(1, 4, word)
    return {"job_id": context.job_id, "attempt": context.attempt, "cancelled": context.cancelled}


@task(takes_context=True)
async def ask_async(context: Any) -> bool:
    return bool(context.cancelled)


@task
async def add_async(a: int, b: int = 0) -> int:
    """Return the sum, from the event loop."""
    await asyncio.sleep(0)
    return a + b


@task(timeout_seconds=1, max_attempts=2)
async def overrun_async() -> None:
    """Sleep for longer than it may."""
    await asyncio.sleep(60)


@task(retry=Fixed(rules=(on(TaskTimeout, do=DEAD),)))
async def wait_async_or_die() -> None:
    """Sleep; a timeout of this task is final by a rule."""
    await asyncio.sleep(60)


@task(max_attempts=2)
def raise_cancelled() -> None:
    """Raise what asyncio raises in a coroutine that is cancelled, where nothing was cancelled."""
    raise asyncio.CancelledError


@task(max_attempts=2)
async def cancel_itself() -> None:
    """Await something that was cancelled, as a careless library would."""
    inner = asyncio.ensure_future(asyncio.sleep(60))
    inner.cancel()
    await inner


@task(atomic=True, timeout_seconds=5)
def add_group(name: str, error: str = "") -> str:
    """Write a row in the transaction that records the success, and fail if told to."""
    Group.objects.create(name=name)
    if error == "hook":
        transaction.on_commit(_raise)
    elif error:
        raise ValueError(error)
    return name


def _raise() -> None:
    raise RuntimeError("a hook after the commit")


@task
def change_surroundings() -> None:
    """Set the time zone and the language, and leave them so."""
    timezone.activate("Asia/Tokyo")
    translation.activate("fr")


@task
def look_around() -> list[str]:
    """Return the time zone and the language."""
    return [timezone.get_current_timezone_name(), translation.get_language()]


@task
def leave_transaction_open(name: str) -> None:
    """Write a row in a transaction that nobody ends."""
    transaction.atomic().__enter__()
    Group.objects.create(name=name)


@task
def leave_autocommit_off(name: str) -> None:
    """Write a row with autocommit switched off."""
    transaction.set_autocommit(False)
    Group.objects.create(name=name)


@task
def count_groups() -> int:
    """Return the number of rows that the other tasks wrote."""
    return Group.objects.count()


@task(max_attempts=1)
def leave_the_interpreter(code: int = 0) -> None:
    """Raise SystemExit."""
    raise SystemExit(code)


@task(max_attempts=1)
def fail_without_text() -> None:
    """Raise an exception whose own text raises."""

    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    raise UnprintableError


@task
def remember(value: Any = None) -> None:
    """Append the value to SEEN."""
    SEEN.append(value)


renamed = task(aliases=("tests.engine.tasks.old_name",))(lambda: "new")
"""Not a task of this module: its function has no name."""


@task(aliases=("tests.engine.tasks.former_name",))
def present_name() -> str:
    """Carry a name that it did not always have."""
    return "present"


copied = add.using(queue_name="copy")
"""A copy with other options is not another task."""


@task
def make_group(name: str) -> None:
    """Write a row, without a transaction of its own."""
    Group.objects.create(name=name)


@task
def enqueue_another(value: Any) -> None:
    """Enqueue a further job."""
    remember.enqueue(value)


@task(max_attempts=3, retry=Fixed(seconds=0))
def fail_at_once() -> None:
    """Raise; the next attempt is due at once."""
    raise ValueError


@task(timeout_seconds=1, max_attempts=1)
def spin() -> None:
    """Run for ever."""
    while True:
        pass
