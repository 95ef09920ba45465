"""Bulk operations on all jobs of a filter: the same jobs as on the page, and no way to find arguments out."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.utils import timezone

from jobs import operations
from jobs.errors import FilterError
from jobs.filters import search
from jobs.filters.limits import TookTooLong
from jobs.models import Job, Operation
from jobs.operations import selection
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db


@contextmanager
def given_up(seconds: float) -> Iterator[None]:
    """Let no statement finish that looks at arguments."""

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if '"args"' in sql:
            raise TookTooLong
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


def test_all_that_match_are_changed_and_no_others() -> None:
    meant, other = [make_job("dead", args=[1, 2]) for _ in range(3)], make_job("dead", args=[1, 3])
    operation = operations.preview("retry", actor="ann", filter="state:dead task:add args.1:2")
    assert (operation.expected_count, operation.possible_count) == (3, 3)
    heard: list[int] = []
    started = operations.start(operation, actor="ann")
    ended = operations.finish_now(started, limit=2, told=lambda now: heard.append(now.done_count))
    assert (ended.changed_count, heard) == (3, [2, 3])
    assert {fresh(job).state for job in meant} == {"queued"}
    assert fresh(other).state == "dead"


def test_a_preview_looks_at_what_a_page_of_the_same_filter_would_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEWEST", 3)
    jobs = [make_job("dead", args=[1, 2]) for _ in range(5)]
    operation = operations.preview("retry", actor="ann", filter="state:dead args.1:2")
    assert (operation.expected_count, operation.possible_count, operation.is_capped) == (3, 3, True)
    assert "No index serves this filter" in operations.counting_note(operation)
    assert not operations.is_small(operation)
    indexed = operations.preview("retry", actor="ann", filter="state:dead task:add")
    assert (indexed.expected_count, operations.counting_note(indexed)) == (5, "")
    # the work itself leaves none out
    ended = operations.finish_now(operations.start(operation, actor="ann"))
    assert ended.changed_count == len(jobs)


def test_a_preview_that_takes_long_is_given_up_and_the_work_is_bounded_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_job("dead", args=[1, 2])
    with monkeypatch.context() as patch:
        patch.setattr(search, "limited", given_up)
        patch.setattr(selection, "limited", given_up)
        operation = operations.preview("retry", actor="ann", filter="state:dead args.1:2")
        assert (operation.expected_count, operation.is_capped) == (0, True)
        started = operations.start(operation, actor="ann")
    late = make_job("dead", args=[1, 2])
    assert operations.finish_now(started).changed_count == 1
    assert fresh(late).state == "dead"


def test_a_filter_keeps_its_times_from_the_preview_on() -> None:
    old, young = make_job("dead"), make_job("dead")
    Job.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(hours=3))
    operation = operations.preview("discard", actor="ann", filter="state:dead created:>-2h")
    assert operation.filter.startswith('state:dead created:>"')
    operations.finish_now(operations.start(operation, actor="ann"))
    assert [fresh(job).state for job in (old, young)] == ["dead", "cancelled"]


def test_who_may_not_see_arguments_cannot_count_by_them(viewer: User) -> None:
    viewer.user_permissions.add(Permission.objects.get(codename="retry_job"))
    viewer = User.objects.get(pk=viewer.pk)  # permissions are remembered by the object
    make_job("dead", args=[7])
    assert operations.preview("retry", actor=viewer, filter="state:dead").expected_count == 1
    with pytest.raises(FilterError, match="permission to view payloads"):
        operations.preview("retry", actor=viewer, filter="state:dead args.0:7")
    with pytest.raises(FilterError, match="There is no state deed"):
        operations.preview("retry", actor=viewer, filter="state:deed")
    assert Operation.objects.count() == 1
