"""The work as QueueHub's tasks, with the options that a task has by default."""

from benchmarks import work as functions
from jobs import task


@task
def noop() -> None:
    """Do nothing."""
    functions.noop()


@task
def work(milliseconds: float) -> None:
    """Use processor time."""
    functions.work(milliseconds)


@task
def stamp(path: str, sent_nanoseconds: int) -> None:
    """Write down when this begins."""
    functions.stamp(path, sent_nanoseconds)


@task
def mark(path: str, key: int, milliseconds: float) -> None:
    """Write down when this begins and when it has ended."""
    functions.mark(path, key, milliseconds)
