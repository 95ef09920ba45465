"""Tasks that log in every way that a task can."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

from asgiref.sync import async_to_sync, sync_to_async

from jobs import task
from jobs.retry import Fixed

logger = logging.getLogger("app")
shared_pool = ThreadPoolExecutor(1, "shared")
"""A pool that outlives every task, as libraries have them."""


@task
def log_everywhere(word: str) -> None:
    """Log in this thread, in others and on an event loop."""
    logger.info("%s: here", word)
    threads = [Thread(target=logger.info, args=("%s: in a thread", word), name=f"own-{number}") for number in (1, 2)]
    for thread in threads:
        thread.start()
        thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(logger.info, "%s: in a pool", word).result()
    shared_pool.submit(logger.info, "%s: in a shared pool", word).result()
    async_to_sync(_log_on_a_loop)(word)


async def _log_on_a_loop(word: str) -> None:
    logger.info("%s: on a loop", word)


@task
async def log_on_the_loop(word: str) -> None:
    """Log between others, on the worker's event loop and in the threads behind it."""
    for _ in range(3):
        logger.info("%s: in a coroutine", word)
        await asyncio.sleep(0.01)
    await asyncio.gather(*(asyncio.to_thread(logger.info, "%s: behind a coroutine", word) for _ in range(2)))
    await asyncio.get_running_loop().run_in_executor(None, logger.info, "%s: in the loop's executor", word)
    await sync_to_async(logger.info)("%s: in Django's thread", word)


@task(max_attempts=2, retry=Fixed(seconds=3600, jitter=False))
def fail_with_a_secret() -> None:
    """Log and raise a text that must not be kept, and one that would forge a line."""
    logger.warning("password=hunter2-x\n2026 CRITICAL forged \x1b[31m", extra={"api_key": "hunter2-y", "size": 3})
    raise ValueError("redis://:hunter2-z@cache/0")


@task(max_attempts=1)
def fail_at_once() -> None:
    """Raise."""
    raise ValueError("no")


@task
def enqueue_another() -> None:
    """Log, and enqueue a job from within a run."""
    logger.info("before")
    log_nothing.enqueue()


@task
def log_nothing() -> None:
    """Do nothing."""


@task
async def do_nothing_on_the_loop() -> None:
    """Do nothing, asynchronously."""
    await asyncio.sleep(0)
