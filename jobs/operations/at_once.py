"""Small operations are done while whoever asked for them waits; larger ones are left to the scheduler."""

from jobs.models import Operation
from jobs.operations.advancing import finish_now

AT_ONCE = 500
"""Up to so many jobs a browser waits for."""


def is_small(operation: Operation) -> bool:
    """Say whether a person waits for the result."""
    return not operation.is_capped and operation.expected_count <= AT_ONCE and not operation.per_second


def finish_if_small(operation: Operation) -> Operation:
    """Do a started operation here and now if it is small."""
    return finish_now(operation) if is_small(operation) else operation
