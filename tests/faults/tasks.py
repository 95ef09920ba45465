"""The tasks of the load: each says in the journal that it runs, and ends as the first word of its key says."""

import time

from django.db import connection

from jobs import task
from jobs.context import TaskContext
from jobs.retry import Fixed
from tests.journal import BEGAN, ENDED, append

SOON = Fixed(seconds=0.2, jitter=False)


@task(retry=SOON)
def work(path: str, key: str, seconds: float) -> str:
    """Sleep, interruptibly."""
    append(path, BEGAN, key)
    time.sleep(seconds)
    append(path, ENDED, key)
    return key


@task(retry=SOON, takes_context=True)
def stumble(context: TaskContext, path: str, key: str, seconds: float) -> str:
    """Fail in the first attempt, succeed in any other."""
    append(path, BEGAN, key)
    time.sleep(seconds)
    if context.attempt == 1:
        raise ValueError(key)
    append(path, ENDED, key)
    return key


@task(max_attempts=2, retry=SOON)
def fail(path: str, key: str, seconds: float) -> None:
    """Fail in every attempt."""
    append(path, BEGAN, key)
    time.sleep(seconds)
    raise ValueError(key)


@task(atomic=True, timeout_seconds=10, retry=SOON)
def effect(path: str, key: str, seconds: float) -> None:
    """Write one row, in the transaction that records the success."""
    append(path, BEGAN, key)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO effects (key) VALUES (%s)", [key])
    time.sleep(seconds)
    append(path, ENDED, key)


@task
def tick() -> None:
    """What the schedule fires each second; it has no key."""


LOAD = {"work": work, "stumble": stumble, "fail": fail, "effect": effect}
"""The tasks that a producer enqueues, by the first word of their keys."""
