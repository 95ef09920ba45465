"""Searches for people who wait: a page of jobs, youngest first, and how many there are, within a second.

Pages follow one another by id, so that page 500 costs what page 1 does. Terms that no index serves look at the newest
rows only that match the rest; the answer says so.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from jobs.errors import FilterError
from jobs.filters.limits import TookTooLong, limited
from jobs.filters.plan import all_jobs, make_plan
from jobs.filters.terms import Query
from jobs.filters.values import is_id
from jobs.models import Job

NEWEST = 50_000
"""Rows that a search by terms without an index looks at."""
COUNTED = 10_000
FEWER = 5_000
"""Rows that it looks at if that takes too long."""
SEARCH_SECONDS = 1.0
FIRST_SHARE = 0.7
"""Part of the time for the first try."""
COUNT_SECONDS = 0.3
BULKY = ("args", "kwargs", "meta", "progress", "result")
"""Columns that lists do not load."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs match, as far as was counted."""

    number: int
    is_more: bool = False

    def __str__(self) -> str:
        if self.is_more and not self.number:
            return "many"
        return f"{self.number:,}{'+' if self.is_more else ''}"


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    jobs: Sequence[Job]
    older: str = ""
    """The cursor of the next page; empty on the last one."""
    newer: str = ""
    """The cursor of the page before; empty on the first one."""
    note: str = ""
    """What was left out, as a sentence for the page; empty if nothing was."""

    @property
    def is_partial(self) -> bool:
        return bool(self.note)


class Search:
    """One filter and whoever asks. Each answer takes a few statements and stops in time.

    Raises: FilterError for a filter that cannot be used.
    """

    def __init__(self, query: Query, *, actor: Any, seconds: float = SEARCH_SECONDS) -> None:
        self._deadline = time.monotonic() + seconds
        self.query = query
        self._floor: UUID | None = None
        self._note = ""
        try:
            with limited(seconds):
                self.plan = make_plan(query, actor=actor)
                self._look_back()
        except TookTooLong:
            raise FilterError("This search took too long.", "Name a state, a task or a shorter time.") from None

    def page(self, *, older_than: str = "", newer_than: str = "", limit: int = 50) -> Found:
        """Return a page of matching jobs without their bulky columns: the first, or the one beside a cursor.

        Raises: FilterError for a cursor that is none.
        """
        if newer_than:
            edge = Q(id__gt=_cursor(newer_than))
            read = self._read(lambda rows: rows.filter(edge).defer(*BULKY).order_by("id")[: limit + 1])
            jobs = read[:limit][::-1]
            has_older, has_newer = True, len(read) > limit
        else:
            edge = Q(id__lt=_cursor(older_than)) if older_than else Q()
            read = self._read(lambda rows: rows.filter(edge).defer(*BULKY).order_by("-id")[: limit + 1])
            jobs = read[:limit]
            has_older, has_newer = len(read) > limit, bool(older_than)
        return Found(
            jobs,
            older=str(jobs[-1].id) if jobs and has_older else "",
            newer=str(jobs[0].id) if jobs and has_newer else "",
            note=self._note,
        )

    def count(self, cap: int = COUNTED) -> Count:
        """Count the matching jobs up to `cap`; where even this would take long, say only that there are some."""
        seconds = min(COUNT_SECONDS, self._left())
        try:
            with limited(seconds):
                number = self._rows().order_by().values("pk")[: cap + 1].count()
        except TookTooLong:
            return Count(0, is_more=True)
        return Count(min(number, cap), is_more=number > cap)

    def _rows(self) -> "QuerySet[Job]":
        rows = self.plan.served()
        if self._floor is not None:
            rows = rows.filter(id__gte=self._floor)
        return self.plan.narrowed(rows)

    def _read(self, narrow: Callable[["QuerySet[Job]"], "QuerySet[Job]"]) -> list[Job]:
        """Read rows; if that takes too long, once more among fewer of the newest."""
        try:
            with limited(self._left() * FIRST_SHARE):
                return list(narrow(self._rows()))
        except TookTooLong:
            pass
        fewer = FEWER if self.plan.scans else NEWEST
        self._note = f"This search takes long: only the newest {fewer:,} jobs were searched."
        try:
            with limited(self._left()):
                self._floor = next(iter(_newest(self.plan.served() if self.plan.scans else all_jobs(), fewer)), None)
                return list(narrow(self._rows()))
        except TookTooLong:
            self._note = "This search was stopped because it takes too long. Name a state, a task or a shorter time."
            return []

    def _look_back(self) -> None:
        """Find the oldest row that terms without an index are tried on."""
        if not self.plan.scans:
            return
        self._floor = next(iter(_newest(self.plan.served(), NEWEST)), None)
        if self._floor is not None:
            terms = ", ".join(dict.fromkeys(self.query.written(term) for term in self.plan.scanning))
            self._note = f"No index serves {terms}: only the newest {NEWEST:,} jobs that match the rest were searched."

    def _left(self) -> float:
        return max(0.05, self._deadline - time.monotonic())


def _newest(rows: "QuerySet[Job]", number: int) -> "QuerySet[Job, UUID]":
    """Return the id of that row, counted from the newest; nothing if there are fewer."""
    return rows.order_by("-id").values_list("id", flat=True)[number - 1 : number]


def _cursor(text: str) -> UUID:
    if not is_id(text) or len(text.replace("-", "")) != 32:
        raise FilterError("The link to this page is damaged.", "Begin at the first page.")
    return UUID(text)
