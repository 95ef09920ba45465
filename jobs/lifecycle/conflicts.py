"""What a verb does when another transaction got in its way: it looks again, as if it had come a moment later."""

from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, OperationalError

T = TypeVar("T")

_TRIES = 5
_DEADLOCK = "40P01"  # PostgreSQL's code


def again_on_conflict(work: Callable[[], T]) -> T:
    """Call `work`, which must be all or nothing, and again if it lost a race; return its result.

    Lost is a unique key that an enqueue took between a look and an update, and a deadlock: others lock the same rows
    by statements that follow the order of the table, which no order of ours can match.

    Raises: IntegrityError, OperationalError if it lost each time, or for another reason.
    """
    for _ in range(_TRIES - 1):
        try:
            return work()
        except IntegrityError:
            continue
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _DEADLOCK:
                raise
    return work()
