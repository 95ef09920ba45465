"""Tasks that log and fail."""

from typing import Any

from jobs import task


@task(takes_context=True, max_attempts=1)
def chatter(context: Any, lines: int = 2, fails: bool = False) -> None:
    """Log lines, then return or raise."""
    for number in range(lines):
        context.log(f"line {number}\nof two, password=hunter22")
    if fails:
        raise ValueError(f"enough of {lines}")


@task(takes_context=True, atomic=True, timeout_seconds=10)
def atomic_chatter(context: Any) -> None:
    """Log in an atomic task."""
    context.log("inside")
