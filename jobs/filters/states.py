"""Conditions on jobs that lists, pages and metrics share, worded so that the partial indexes serve them."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Func

from jobs.states import FINAL, JobState

AT_REST = tuple(sorted(FINAL | {JobState.BLOCKED}))
"""The states in which an index finds jobs by their task. In the others they are fewer, and move too often for one."""

INDEXED_UNFINISHED = (
    (JobState.QUEUED,),
    (JobState.RUNNING,),
    (JobState.RETRYING, JobState.SCHEDULED),
)
"""The unfinished states, grouped as the partial indexes are; `blocked` is reserved and has none."""


class StateIn(Func):
    """`state IN (…)` with the states written out, in the order that the partial indexes have.

    SQLite uses a partial index only if its condition stands in the statement; bound parameters hide it.
    """

    template = "%(expressions)s IN (%(states)s)"
    output_field = models.BooleanField()

    def __init__(self, states: Iterable[JobState | str], **extra: Any) -> None:
        names = [f"'{JobState(state).value}'" for state in sorted(states)]
        if len(names) == 1:
            extra["template"] = "%(expressions)s = %(states)s"
        super().__init__("state", states=", ".join(names), **extra)
