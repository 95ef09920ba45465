"""The one task of these tests; it never runs, its policy decides what its failures mean."""

from jobs import task
from jobs.retry import DEAD, DISCARD, Fixed, on

MAX_ATTEMPTS = 3


RULES = (on(LookupError, do=DISCARD), on(ArithmeticError, do=DEAD))


@task(max_attempts=MAX_ATTEMPTS, retry=Fixed(seconds=600, jitter=False, rules=RULES))
def work(number: int = 0) -> None:
    """Do nothing."""
