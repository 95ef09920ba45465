"""The job as QueueHub's task, with the options that a task has by default."""

from benchmarks.survival import work
from jobs import task


@task
def job(journal: str, key: str, milliseconds: float) -> None:
    """Write two lines with a pause between them."""
    work.job(journal, key, milliseconds)
