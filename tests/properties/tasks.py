"""The one task of these tests; it never runs, its policy decides what its failures mean."""

from jobs import task
from jobs.retry import DEAD, DISCARD, Fixed, on

MAX_ATTEMPTS = 3


@task(
    max_attempts=MAX_ATTEMPTS,
    retry=Fixed(seconds=60, jitter=False, rules=(on(LookupError, do=DISCARD), on(ArithmeticError, do=DEAD))),
)
def work(number: int = 0) -> None:
    """Do nothing."""
