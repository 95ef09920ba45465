"""Searches for people who wait: a page of jobs, youngest first, and how many there are, within a second.

Pages follow one another by id, so that page 500 costs what page 1 does. Terms that no index serves look at the newest
rows only that match the rest; the answer says so.
"""

import time
from collections.abc import Sequence
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
FEWER = 2_000
"""Rows that it looks at first: what is frequent is found there."""
COUNTED = 10_000
LISTED = 1_000
SEARCH_SECONDS = 1.0
COUNT_SECONDS = 0.06
FIRST_SHARE = 0.7
"""Part of the time for what is not yet bounded by a number of rows."""
BULKY = ("args", "kwargs", "meta", "progress", "result")
"""Columns that lists do not load."""
STOPPED = "This search was stopped because it takes too long. Name a state, a task or a shorter time."


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
        self._is_floor_known = False
        self._note = ""
        self._count: Count | None = None
        self._seen = 0
        try:
            with limited(seconds):
                self.plan = make_plan(query, actor=actor)
        except TookTooLong:
            raise FilterError("This search took too long.", "Name a state, a task or a shorter time.") from None

    def page(self, *, older_than: str = "", newer_than: str = "", limit: int = 50) -> Found:
        """Return a page of matching jobs without their bulky columns: the first, or the one beside a cursor.

        Raises: FilterError for a cursor that is none.
        """
        edge = Q(id__gt=_cursor(newer_than)) if newer_than else Q(id__lt=_cursor(older_than)) if older_than else Q()
        read = self._scanned if self.plan.scans else self._served
        jobs = read(edge, "id" if newer_than else "-id", limit + 1)
        is_more, jobs = len(jobs) > limit, jobs[:limit]
        self._seen = max(self._seen, len(jobs))
        if newer_than:
            jobs.reverse()
        has_older, has_newer = is_more or bool(newer_than), is_more if newer_than else bool(older_than)
        return Found(
            jobs,
            older=str(jobs[-1].id) if jobs and has_older else "",
            newer=str(jobs[0].id) if jobs and has_newer else "",
            note=self._note,
        )

    def among(self, rows: "QuerySet[Job]") -> tuple["QuerySet[Job]", str]:
        """Return those of `rows` that match, for lists that order and count by themselves, and the note of `Found`.

        Of terms that no index serves these are the newest 1,000 jobs that match.
        """
        if not self.plan.scans:
            return self.plan.served(rows), ""
        found = self.page(limit=LISTED)
        is_more = f" The newest {LISTED:,} of them are shown." if found.older else ""
        return rows.filter(pk__in=[job.pk for job in found.jobs]), found.note + is_more

    def count(self, cap: int = COUNTED) -> Count:
        """Count the matching jobs up to `cap`; where even this would take long, say how many were seen at least."""
        if self._count is None:
            self._count = self._counted(cap)
        return self._count

    def _counted(self, cap: int) -> Count:
        """Count up to a tenth of the cap first, which is soon done, then on."""
        at_least = self._seen
        try:
            with limited(min(COUNT_SECONDS, self._left())):
                parts = [self._rows(self._bottom())] if self.plan.scans else self.plan.parts()
                for limit in (cap // 10, cap):
                    number = sum(rows.order_by().values("pk")[: limit + 1].count() for rows in parts)
                    if number <= limit:
                        return Count(number)
                    at_least = limit
        except TookTooLong:
            pass
        return Count(at_least, is_more=True)

    def _served(self, edge: Q, order: str, limit: int) -> list[Job]:
        """Read rows that indexes find; if that takes too long, among the newest of all jobs."""
        try:
            with limited(self._left() * FIRST_SHARE):
                parts = [rows.filter(edge) for rows in self.plan.parts()]
                if len(parts) > 1:
                    return _in_order(_first_ids(parts, order, limit), order, limit)
                return list(parts[0].defer(*BULKY).order_by(order)[:limit])
        except TookTooLong:
            self._note = f"This search takes long: only the newest {NEWEST:,} jobs were searched."
        try:
            with limited(self._left()):
                self._floor, self._is_floor_known = _newest(all_jobs(), NEWEST), True
                return list(self._rows(self._floor).filter(edge).defer(*BULKY).order_by(order)[:limit])
        except TookTooLong:
            self._note = STOPPED
            return []

    def _scanned(self, edge: Q, order: str, limit: int) -> list[Job]:
        """Try rows one by one. The newest few come first if each costs much, else only if all take too long."""
        jobs: list[Job] = []
        self._note = STOPPED
        is_few_first = self.plan.is_costly and order == "-id"
        for is_few in (True, False) if is_few_first else (False, True):
            try:
                with limited(self._left() * (FIRST_SHARE if is_few == is_few_first else 1)):
                    jobs = self._few(edge, order, limit) if is_few else self._all(jobs, edge, order, limit)
            except TookTooLong:
                continue
            if not is_few:
                break
        return jobs

    def _few(self, edge: Q, order: str, limit: int) -> list[Job]:
        floor = _newest(self.plan.served(), FEWER)
        jobs = self._read(floor, edge, order, limit) if floor or not self.plan.is_costly else []
        self._note = f"This search takes long: only the newest {FEWER:,} jobs were searched."
        return jobs

    def _all(self, jobs: list[Job], edge: Q, order: str, limit: int) -> list[Job]:
        bottom = self._bottom()
        if len(jobs) < limit:
            jobs = self._read(bottom, edge, order, limit)
        self._note = self._partial() if bottom else ""
        return jobs

    def _read(self, floor: UUID | None, edge: Q, order: str, limit: int) -> list[Job]:
        """Return rows in order. Their ids are read without order: else the planner might walk the whole table by id."""
        rows = self._rows(floor).filter(edge)
        ids = list(rows.order_by().values_list("id", flat=True)[: COUNTED + 1])
        if len(ids) > COUNTED:  # so frequent that a walk by id soon has enough
            return list(rows.defer(*BULKY).order_by(order)[:limit])
        if not edge and self._is_floor_known:
            self._count = Count(len(ids))
        return _in_order(ids, order, limit)

    def _partial(self) -> str:
        terms = ", ".join(dict.fromkeys(self.query.written(term) for term in self.plan.scanning))
        return f"No index serves {terms}: only the newest {NEWEST:,} jobs that match the rest were searched."

    def _rows(self, floor: UUID | None) -> "QuerySet[Job]":
        rows = self.plan.served()
        return self.plan.narrowed(rows.filter(id__gte=floor) if floor else rows)

    def _bottom(self) -> UUID | None:
        """Return the oldest row that terms without an index are tried on; None if all are."""
        if self.plan.scans and not self._is_floor_known:
            served = self.plan.served()
            # to count so many is cheaper than to sort them, and often there are no more
            is_more = served.order_by().values("pk")[: NEWEST + 1].count() > NEWEST
            self._floor, self._is_floor_known = _newest(served, NEWEST) if is_more else None, True
        return self._floor

    def _left(self) -> float:
        return max(0.05, self._deadline - time.monotonic())


def _first_ids(parts: "list[QuerySet[Job]]", order: str, limit: int) -> list[UUID]:
    """Return at least the first ids of all parts together; without order, unless there are many: see `Search._read`."""
    found: list[UUID] = []
    for rows in parts:
        if len(found) >= limit:  # behind these nobody looks
            last = sorted(found, reverse=order == "-id")[limit - 1]
            rows = rows.filter(id__gte=last) if order == "-id" else rows.filter(id__lte=last)
        ids = list(rows.order_by().values_list("id", flat=True)[: LISTED + 1])
        found += ids if len(ids) <= LISTED else rows.order_by(order).values_list("id", flat=True)[:limit]
    return found


def _in_order(ids: list[UUID], order: str, limit: int) -> list[Job]:
    """Return the first of the jobs with these ids."""
    wanted = sorted(ids, reverse=order == "-id")[:limit]
    found = all_jobs().defer(*BULKY).in_bulk(wanted)
    return [found[job_id] for job_id in wanted if job_id in found]


def _newest(rows: "QuerySet[Job]", number: int) -> UUID | None:
    """Return the id of that row, counted from the newest; None if no row is older."""
    ids = list(rows.order_by("-id").values_list("id", flat=True)[number - 1 : number + 1])
    return ids[0] if len(ids) > 1 else None


def _cursor(text: str) -> UUID:
    if not is_id(text) or len(text.replace("-", "")) != 32:
        raise FilterError("The link to this page is damaged.", "Begin at the first page.")
    return UUID(text)
