"""Conditions on jobs that lists, pages and metrics share, worded so that the partial indexes serve them."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Func

from jobs.states import JobState


class StateIn(Func):
    """`state IN (…)` with the states written out, in the order that the partial indexes have.

    SQLite uses a partial index only if its condition stands in the statement; bound parameters hide it.
    """

    template = "%(expressions)s IN (%(states)s)"
    output_field = models.BooleanField()

    def __init__(self, states: Iterable[JobState | str], **extra: Any) -> None:
        names = ", ".join(f"'{JobState(state).value}'" for state in sorted(states))
        super().__init__("state", states=names, **extra)
