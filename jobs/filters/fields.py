"""The fields of the filter language as data: suggestions, messages and the documentation come from this table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db.models import Q

from jobs.filters import conditions
from jobs.filters.conditions import Context
from jobs.filters.terms import Term

COMPARISONS = ("=", ">", ">=", "<", "<=")
ORDERED = (">", ">=", "<", "<=")
PAYLOAD_PERMISSION = "jobs.view_payload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the language."""

    name: str
    meaning: str
    example: str
    condition: Callable[[Term, Context], Q]
    speed: str
    """What serves it: "index", or for which states an index does."""
    operators: tuple[str, ...] = ("=",)
    has_path: bool = False
    """Takes names behind a dot, as in kwargs.user.id."""
    permission: str = ""
    """Needed beside the permission to see jobs."""
    holds_payload: bool = False
    """Whether its values may come from arguments, so that they are masked like these."""


FIELDS: Mapping[str, Field] = {
    each.name: each
    for each in (
        Field(
            name="state", meaning="the state: " + ", ".join(conditions.STATES), example="state:dead,retrying",
            condition=conditions.state, speed="index",
        ),
        Field(
            name="queue", meaning="the name of the queue; * stands for any characters", example="queue:mail",
            condition=conditions.queue, speed="index",
        ),
        Field(
            name="task", meaning="the name of the task, or a part of it; * stands for any characters",
            example="task:billing.tasks.charge", condition=conditions.task, speed="index",
        ),
        Field(
            name="worker", meaning="a part of the name of the worker that runs the job, or claimed it last",
            example="worker:web-3", condition=conditions.worker, speed="index with state:running",
        ),
        Field(
            name="error",
            meaning="the latest failure: a word of its exception's class or of its message, a text of the message in"
            " quotes, or its fingerprint",
            example='error:Timeout error:"502 Bad Gateway" error:0f3a99c2d1e4b5a6', condition=conditions.error,
            speed="index with state:dead, for words and fingerprints", holds_payload=True,
        ),
        Field(
            name="id", meaning="the id, or its beginning", example="id:019a7c", condition=conditions.job_id,
            speed="index",
        ),
        Field(
            name="key", meaning="the whole unique key", example="key:invoice-17", condition=conditions.key,
            speed="index for unfinished states",
        ),
        Field(
            name="tag", meaning="one of the job's tags", example="tag:nightly", condition=conditions.tag,
            speed="none",
        ),
        Field(
            name="created", meaning="when the job was enqueued: -2h (ago), today, yesterday, a day or a time",
            example="created:>-2h created:2026-11-23 created:<2026-11-23T10:30", condition=conditions.created,
            operators=COMPARISONS, speed="index",
        ),
        Field(
            name="wait", meaning="how long the job has waited for its latest run since it became due, or did wait",
            example="wait:>30s", condition=conditions.wait, operators=ORDERED, speed="index for unfinished states",
        ),
        Field(
            name="args", meaning="a positional argument, counted from 0; of a list or a dict in it, what is behind"
            " further dots", example="args.0:42", condition=conditions.args, has_path=True, speed="none",
            permission=PAYLOAD_PERMISSION, holds_payload=True,
        ),
        Field(
            name="kwargs", meaning="a keyword argument; of a list or a dict in it, what is behind further dots",
            example="kwargs.user.id:1", condition=conditions.kwargs, has_path=True, speed="none",
            permission=PAYLOAD_PERMISSION, holds_payload=True,
        ),
    )
}  # fmt: skip
"""By name."""
