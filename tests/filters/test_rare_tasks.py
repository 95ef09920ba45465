"""Jobs of a task that may be rare: read in parts, in the order and number of a plain list, by an index at rest."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.filters import Search, parse, search
from jobs.filters.plan import make_plan
from jobs.models import Job
from tests.factories import make_job

pytestmark = pytest.mark.django_db

RARE = "tests.tasks.add"
STATES = ("dead", "queued", "blocked", "succeeded", "running", "retrying", "cancelled", "scheduled")


@pytest.fixture
def rare() -> list[Job]:
    """Two jobs in each state, the youngest first, among others."""
    jobs = [make_job(state, task=RARE, args=[1]) for state in STATES * 2]
    for _ in range(3):
        make_job("queued", task="tests.tasks.fail")
    return jobs[::-1]


def pages(text: str, size: int) -> list[list[str]]:
    """Return the ids of each page, from the first to the last."""
    found, cursor = [], ""
    while True:
        page = Search(parse(text), actor="test").page(older_than=cursor, limit=size)
        found.append([str(job.pk) for job in page.jobs])
        cursor = page.older
        if not cursor:
            return found


@pytest.mark.parametrize("listed", [1, 3, 1000])
@pytest.mark.parametrize("size", [1, 5, 16, 50])
def test_parts_are_joined_in_order(rare: list[Job], monkeypatch: pytest.MonkeyPatch, listed: int, size: int) -> None:
    monkeypatch.setattr(search, "LISTED", listed)
    found = pages(f"task:{RARE}", size)
    assert [job_id for page in found for job_id in page] == [str(job.pk) for job in rare]
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
    newer = Search(parse(f"task:{RARE}"), actor="test").page(newer_than=str(rare[7].pk), limit=size)
    assert [job.pk for job in newer.jobs] == [job.pk for job in rare[:7]][-size:]


@pytest.mark.parametrize(
    ("text", "states"),
    [
        (f"task:{RARE}", set(STATES)),
        (f"-state:queued task:{RARE}", set(STATES) - {"queued"}),
        (f"state:dead,running task:{RARE}", {"dead", "running"}),
        (f"state:dead task:{RARE}", {"dead"}),
        (f"state:blocked,dead task:{RARE}", {"blocked", "dead"}),
        ("-task:fail -state:running", set(STATES) - {"running"}),
        (RARE, set(STATES)),
    ],
)
def test_no_state_is_left_out_or_doubled(rare: list[Job], text: str, states: set[str]) -> None:
    expected = [str(job.pk) for job in rare if job.state in states]
    assert pages(text, 50) == [expected]
    assert Search(parse(text), actor="test").count().number == len(expected)


def test_jobs_at_rest_have_an_index_by_task(rare: list[Job]) -> None:
    rest, *moving = make_plan(parse(f"task:{RARE}"), actor="test").parts()
    assert len(moving) == 3
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert "jobs_job_task" in rest.order_by().values("id").explain()


def test_waiting_jobs_of_other_tasks_are_not_read(rare: list[Job]) -> None:
    if connection.vendor != "postgresql":
        return  # SQLite does not read an index by its second column
    _rest, queued, _running, later = make_plan(parse(f"task:{RARE}"), actor="test").parts()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    for part, index in ((queued, "jobs_job_queued"), (later, "jobs_job_later")):
        plan = part.order_by().values("id").explain()
        assert index in plan
        assert "Index Cond: ((task)" in plan


def test_a_search_without_a_task_stays_one_statement(rare: list[Job]) -> None:
    with CaptureQueriesContext(connection) as captured:
        Search(parse("queue:default"), actor="test").page()
    assert sum("FROM \"jobs_job\"" in query["sql"] for query in captured.captured_queries) == 1
