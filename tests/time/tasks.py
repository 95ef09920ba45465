"""Tasks that the tests of this directory enqueue."""

from jobs import task


@task
def tick(number: int = 0, *, word: str = "") -> int:
    """Do nothing."""
    return number


@task(queue_name="slow-lane", priority=3)
def tock() -> None:
    """Do nothing, on a queue of its own."""
