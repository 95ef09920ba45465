"""A search shows pages of jobs by id, youngest first, in bounded time, and says what it left out."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.errors import FilterError
from jobs.filters import Search, parse, search
from jobs.filters.limits import TookTooLong, limited
from jobs.filters.plan import Plan
from jobs.models import Job
from tests.factories import ADD, make_job

pytestmark = pytest.mark.django_db

COUNT = 12
MOST_STATEMENTS = 10
"""That read tables; the time limits come on top."""


@pytest.fixture
def jobs() -> list[Job]:
    """Make jobs; the oldest comes first."""
    return Job.objects.enqueue_many(ADD, [(number % 3,) for number in range(COUNT)])


def ids(found: Any) -> list[Any]:
    return [job.id for job in found.jobs]


def ask(text: str) -> Search:
    return Search(parse(text), actor="test")


def test_pages_follow_one_another_in_both_directions(jobs: list[Job]) -> None:
    newest_first = [job.id for job in reversed(jobs)]
    pages, cursor = [ask("").page(limit=5)], ""
    while cursor := pages[-1].older:
        pages.append(ask("").page(older_than=cursor, limit=5))
    assert [ids(page) for page in pages] == [newest_first[:5], newest_first[5:10], newest_first[10:]]
    assert [bool(page.newer) for page in pages] == [False, True, True]
    back = ask("").page(newer_than=pages[2].newer, limit=5)
    assert (ids(back), back.older, bool(back.newer)) == (newest_first[5:10], str(newest_first[9]), True)
    first = ask("").page(newer_than=back.newer, limit=5)
    assert (ids(first), first.newer) == (newest_first[:5], "")


def test_a_page_holds_where_it_is_while_jobs_come(jobs: list[Job]) -> None:
    page = ask("").page(limit=5)
    make_job()
    assert ids(ask("").page(older_than=page.older, limit=5)) == [job.id for job in jobs[6:1:-1]]


def test_a_page_full_to_the_last_job_has_no_next(jobs: list[Job]) -> None:
    assert ask("").page(limit=COUNT).older == ""
    assert ask("").page(limit=COUNT - 1).older != ""
    assert ask("task:nothing").page().jobs == []


@pytest.mark.parametrize("cursor", ["x", "12", "' OR 1", "-" * 36])
def test_a_damaged_link_is_refused(cursor: str) -> None:
    with pytest.raises(FilterError, match="The link to this page is damaged"):
        ask("").page(older_than=cursor)


def test_counts_stop_at_their_cap(jobs: list[Job]) -> None:
    assert [str(ask("").count(cap)) for cap in (5, COUNT, 1000)] == ["5+", "12", "12"]
    assert str(ask("state:dead").count()) == "0"


def test_terms_without_an_index_look_at_the_newest_that_match_the_rest(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "NEWEST", 6)
    for job in jobs[6:10]:
        Job.objects.filter(id=job.id).update(queue="mail")
    found = ask("args.0:0").page()
    assert ids(found) == [jobs[9].id, jobs[6].id]
    assert found.note == "No index serves args.0:0: only the newest 6 jobs that match the rest were searched."
    assert str(ask("args.0:0").count()) == "2"
    rest = ask("-queue:mail args.0:0").page()
    assert ids(rest) == [jobs[3].id]  # of the eight others the newest six
    assert rest.is_partial
    assert not ask("queue:mail args.0:0").page().is_partial  # there are only four, and all were looked at
    assert ids(ask("state:queued").page()) == [job.id for job in reversed(jobs)]


def test_what_takes_too_long_is_looked_for_among_fewer(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEWER", 2)
    keep_busy_before(jobs[10], monkeypatch)
    found = Search(parse("args.0:1"), actor="test", seconds=0.6).page()
    assert ids(found) == [jobs[10].id]
    assert found.note == "This search takes long: only the newest 2 jobs were searched."
    monkeypatch.setattr(search, "FEWER", 3)
    monkeypatch.setattr(search, "COUNT_SECONDS", 0.1)
    asked = Search(parse("args.0:0"), actor="test", seconds=0.6)
    assert str(asked.count()) == "many"
    found = asked.page()
    assert (ids(found), found.is_partial) == ([], True)
    assert found.note.startswith("This search was stopped because it takes too long. Name a state")


def keep_busy_before(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each older row that a search without an index looks at keep the database busy."""
    if connection.vendor == "postgresql":
        sql = f"(SELECT 1 FROM pg_sleep(CASE WHEN jobs_job.id < '{job.id}' THEN 60 ELSE 0 END)) = 1"
    else:
        sql = (
            "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n"
            f" WHERE jobs_job.id < '{job.id.hex}') SELECT count(*) FROM n) > 0"
        )
    narrowed = Plan.narrowed
    monkeypatch.setattr(Plan, "narrowed", lambda plan, rows: narrowed(plan, rows).extra(where=[sql]))


def endless() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sleep(60)")
        else:
            cursor.execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_statement_ends_in_time_and_leaves_the_connection_as_it_was(is_nested: bool) -> None:
    if is_nested:
        with transaction.atomic():
            give_up()
    else:
        give_up()


def give_up() -> None:
    with pytest.raises(TookTooLong), limited(0.05):
        endless()
    with limited(5):
        Job.objects.count()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone()[0] == "0"
    else:
        assert sum(number for number in range(1_000_000)) > 0
    assert Job.objects.count() == 0


def test_other_errors_of_the_ledger_are_not_taken_for_slowness() -> None:
    with pytest.raises(OperationalError, match="elsewhere"), limited(1):
        raise OperationalError("elsewhere")


@pytest.mark.parametrize("text", ["", "state:dead", "letter", "args.0:1 error:x -tag:a wait:>3s created:today"])
def test_a_search_takes_few_statements(jobs: list[Job], text: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        asked = ask(text)
        asked.page()
        asked.count()
    said = [query["sql"] for query in captured if "FROM" in query["sql"]]
    assert 2 <= len(said) <= MOST_STATEMENTS, said


FRAGMENTS = st.sampled_from([
    "state:", "queue:", "task:", "worker:", "error:", "id:", "key:", "tag:", "created:", "wait:", "args.0:",
    "kwargs.a:", "-", ">", "<=", ",", '"', "*", "%", "_", "\\", "'", "; --", " ", "dead", "0", "1e999", "-2h", "today",
    "\u00df", "\U0001f600", "2026-11-23", "abcdef", "null", "{}", "[", "$", "9" * 30, "\x00", "\ud800",
])  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAGMENTS, max_size=8).map("".join) | st.text(max_size=30))
def test_whatever_is_typed_gives_an_answer_or_a_message_without_sql(viewer: User, text: str) -> None:
    for actor in (viewer, "test"):
        error = refusal(text, actor)
        if error is not None:
            assert not any(word in str(error) for word in ("SELECT", "jobs_job", "syntax", "psycopg", "sqlite"))
            assert 0 <= error.start < error.end <= len(text)


def refusal(text: str, actor: Any) -> FilterError | None:
    """Search in every way; return the message for a filter that cannot be used."""
    try:
        asked = Search(parse(text), actor=actor)
        asked.page()
        asked.count()
    except FilterError as error:
        return error
    return None
