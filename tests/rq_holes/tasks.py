"""Ledger tasks of these tests, beside those of the acceptance tests."""

import os
from pathlib import Path

import redis

from jobs import task
from jobs.context import TaskContext
from jobs.retry import Fixed
from tests.journal import BEGAN, ENDED, append
from tests.stubborn import sleep_through

SOON = Fixed(seconds=0.1, jitter=False)
AT_ONCE = Fixed(seconds=0, jitter=False)


@task(retry=SOON, takes_context=True)
def stumble(context: TaskContext, path: str, key: str) -> None:
    """Fail in the first attempt, succeed in any other."""
    append(path, BEGAN, key)
    if context.attempt == 1:
        raise ValueError(key)
    append(path, ENDED, key)


@task(max_attempts=4, retry=AT_ONCE, takes_context=True)
def fail(context: TaskContext) -> None:
    """Raise, with another text each time."""
    raise ValueError(f"failure {context.attempt}")


@task
def leave_once(path: str, key: str) -> None:
    """End the process as if all were well, in the first run."""
    is_first = f"{BEGAN} {key} " not in Path(path).read_text()
    append(path, BEGAN, key)
    if is_first:
        os._exit(0)
    append(path, ENDED, key)


@task
def choke_redis(path: str, key: str, url: str) -> str:
    """Succeed, after Redis was made to refuse every write."""
    append(path, BEGAN, key)
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 1)
    return key


@task(timeout_seconds=1, max_attempts=1)
def swallow(path: str, key: str, seconds: float) -> None:
    """Go on whatever is raised inside, as careless code does."""
    append(path, BEGAN, key)
    sleep_through(Exception, seconds)
    append(path, ENDED, key)
