"""The list of jobs as a server sends it: the filter, its faults, paging, tabs, the choice of rows."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboards import export, job_rows
from dashboards.pages import jobs as page_of_jobs
from jobs.models import Attempt, AuditEntry, Job
from tests.dashboards.conftest import forget
from tests.factories import claim, make_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
FAIL = "tests.tasks.fail"
HOSTILE = "<img src=x onerror=alert(1)>"
QUERY_LIMIT = 32
"""Statements of the page, those included that on PostgreSQL limit the time of a search."""


def text_of(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def shown(page: str) -> list[str]:
    """Return the ids of the rows of a page, from top to bottom."""
    return re.findall(r'<tr id="job-([^"]+)"', page)


def test_the_filter_chooses_rows_and_its_terms_can_be_taken_away(viewing: Client) -> None:
    dead, queued = make_job("dead", task=FAIL), make_job("queued", task=FAIL)
    make_job("queued", task=ADD, args=[1, 2])
    assert len(shown(text_of(viewing, "/jobs/"))) == 3
    assert shown(text_of(viewing, "/jobs/?q=state:dead")) == [str(dead.pk)]
    page = text_of(viewing, f"/jobs/?q=state:queued+task:{FAIL}")
    assert shown(page) == [str(queued.pk)]
    assert 'aria-label="Remove state:queued"' in page
    assert f'href="?q=task%3A{FAIL}"' in page
    assert shown(text_of(viewing, f"/jobs/?q={dead.pk}")) == [str(dead.pk)]


def test_a_bad_term_is_marked_and_explained_under_the_box(viewing: Client) -> None:
    make_job("dead", task=FAIL)
    page = text_of(viewing, "/jobs/?q=state:dead+stat:dead+x")
    assert "state:dead <mark>stat:dead</mark> x" in page
    assert "There is no field stat." in page
    assert "Did you mean state" in page
    assert not shown(page)
    assert "<mark>" in text_of(viewing, "/jobs/?q=state:gone")
    assert viewing.get("/jobs/?older=nonsense").status_code == 200
    assert viewing.get(f"/jobs/?q={'x' * 5000}").status_code == 200


def test_arguments_can_be_asked_for_by_those_who_may_see_them_only(viewing: Client, operating: Client) -> None:
    secret = make_job("dead", task=ADD, args=[17, 2])
    assert shown(text_of(operating, "/jobs/?q=args.0:17")) == [str(secret.pk)]
    page = text_of(viewing, "/jobs/?q=args.0:17")
    assert not shown(page)
    assert "permission to view payloads" in page


def test_pages_follow_one_another_by_links_without_an_offset(viewing: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(page_of_jobs, "PAGE_SIZE", 4)
    ids = [str(make_job("queued", task=FAIL).pk) for _ in range(10)][::-1]
    found, path, paths = [], "/jobs/?q=state:queued", []
    while path:
        page = text_of(viewing, path)
        found += shown(page)
        paths.append(path)
        link = re.search(r'rel="next" href="([^"]+)"', page)
        path = "/jobs/" + link[1].replace("&amp;", "&") if link else ""
    assert found == ids
    assert len(paths) == 3
    link = re.search(r'rel="prev" href="([^"]+)"', text_of(viewing, paths[-1]))
    assert link
    back = text_of(viewing, "/jobs/" + link[1].replace("&amp;", "&"))
    assert shown(back) == ids[4:8]


def test_the_live_part_counts_what_differs_from_the_shown_rows(viewing: Client) -> None:
    first = make_job("queued", task=FAIL)
    make_job("queued", task=FAIL)
    address = re.search(r'hx-get="(/jobs/\?[^"]*seen=[^"]*)"', text_of(viewing, "/jobs/?q=state:queued"))
    assert address
    path = address[1].replace("&amp;", "&")
    assert "changed" not in text_of(viewing, path, HX_Request="true")
    make_job("queued", task=FAIL)
    assert "1 changed" in text_of(viewing, path, HX_Request="true")
    claim(first)
    assert "1 changed" in text_of(viewing, path, HX_Request="true")  # one came, one went
    make_job("queued", task=FAIL)
    part = text_of(viewing, path, HX_Request="true")
    assert "2 changed" in part
    assert "<tr" not in part


def test_tabs_count_states_only_where_nothing_else_is_asked(viewing: Client) -> None:
    for state in ("dead", "dead", "succeeded"):
        make_job(state, task=FAIL)
    forget()
    tab = re.compile(r'data-state="(\w+)">\w+ <span class="count[^>]*>([\d,+]+)<')
    counts = dict(tab.findall(text_of(viewing, "/jobs/")))
    assert counts["dead"] == "2"
    assert counts["succeeded"] == "1"
    assert counts["queued"] == "0"
    page = text_of(viewing, f"/jobs/?q=state:dead+task:{FAIL}")
    assert not tab.findall(page)
    assert f'href="?q=state%3Aqueued%20task%3A{FAIL}"' in page
    count = re.search(r'hx-get="(/jobs/count/[^"]+)"', page)
    assert count
    assert text_of(viewing, count[1].replace("&amp;", "&")).strip() == "2 jobs"


def test_failed_rows_say_what_their_last_attempt_said(viewing: Client) -> None:
    dead = make_job("dead", task=FAIL)
    Attempt.objects.filter(job=dead).update(exception_class="Timeout", message=HOSTILE)
    page = text_of(viewing, "/jobs/")
    assert "<b>Timeout</b> &lt;img src=x" in page
    assert HOSTILE not in page


def test_suggestions_come_as_json_to_those_who_may_look(viewing: Client, client: Client) -> None:
    found = viewing.get("/jobs/suggest/?q=state:de").json()["suggestions"]
    assert found[0] == {"text": "dead", "meaning": "", "start": 6, "end": 8}
    assert not any(each["text"] == "args." for each in viewing.get("/jobs/suggest/?q=a").json()["suggestions"])
    assert client.get("/jobs/suggest/?q=a").status_code == 401


def test_rows_can_be_chosen_only_by_those_who_may_change_some(viewing: Client, operating: Client) -> None:
    make_job("dead", task=FAIL)
    page = text_of(viewing, "/jobs/?q=state:dead")
    assert "<input type=\"checkbox\"" not in page
    assert 'name="verb"' not in page
    page = text_of(operating, "/jobs/?q=state:dead")
    assert 'value="retry"' in page
    assert 'name="scope"' in page
    assert 'name="scope"' not in text_of(operating, "/jobs/")


def test_a_list_is_exported_by_those_who_may(viewing: Client, operating: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    for number in range(5):
        make_job("dead", task=ADD, args=[number], unique_key=f"=1+{number}")
    make_job("queued", task=FAIL)
    rows = operating.post("/jobs/export/", {"q": "state:dead", "format": "json"}).json()
    assert [row["args"] for row in rows] == [[4], [3], [2], [1], [0]]
    answer = operating.post("/jobs/export/", {"q": "state:dead", "format": "csv"})
    assert 'filename="jobs.csv"' in answer.headers["Content-Disposition"]
    lines = answer.content.decode().splitlines()
    assert len(lines) == 6
    assert ",'=1+4," in lines[1]
    assert AuditEntry.objects.filter(action="export", after__filter="state:dead").count() == 2
    assert operating.get("/jobs/export/").status_code == 405
    assert operating.post("/jobs/export/", {"q": "stat:dead"}).headers["Location"] == "/jobs/"
    assert viewing.post("/jobs/export/").status_code == 403
    assert AuditEntry.objects.filter(action="export", result="refused").count() == 1
    assert "Export" in text_of(operating, "/jobs/")
    assert "Export" not in text_of(viewing, "/jobs/")


def test_an_export_has_no_payload_for_those_who_may_not_see_it(operator: User, operating: Client) -> None:
    make_job("dead", task=ADD, args=[4711])
    operator.user_permissions.remove(operator.user_permissions.get(codename="view_payload"))
    for kind in ("csv", "json"):
        assert "4711" not in operating.post("/jobs/export/", {"format": kind}).content.decode()


def test_the_list_needs_its_permission(viewer: User, viewing: Client, client: Client) -> None:
    assert client.get("/jobs/").status_code == 302
    assert client.get("/jobs/", headers={"HX-Request": "true"}).status_code == 401
    viewer.user_permissions.remove(viewer.user_permissions.get(codename="view_job"))
    for path in ("/jobs/", "/jobs/count/", "/jobs/suggest/", f"/jobs/{uuid4()}/"):
        assert viewing.get(path).status_code == 403


@pytest.mark.parametrize("text", ["", "state:dead", f"task:{FAIL}", "error:ValueError", "created:>-2h"])
def test_the_statements_of_the_list_do_not_grow_with_its_rows(operating: Client, text: str) -> None:
    def count() -> int:
        forget()
        with CaptureQueriesContext(connection) as captured:
            assert operating.get("/jobs/", {"q": text}).status_code == 200
        # a search without an index finds the end of the rows that it looks at
        texts = [query["sql"].replace("OFFSET 49999", "") for query in captured.captured_queries]
        assert not any(" OFFSET " in text for text in texts)
        return len(captured)

    make_job("dead", task=FAIL)
    few = count()
    for _ in range(12):
        make_job("dead", task=FAIL)
    assert count() <= few <= QUERY_LIMIT


def test_a_row_is_marked_anew_once_it_moves() -> None:
    jobs = [Job(id=uuid4(), task=FAIL, state="queued") for _ in range(3)]
    seen = job_rows.marks_of(jobs)
    assert job_rows.changed_count(jobs, seen) == 0
    jobs[1].state = "running"
    assert job_rows.changed_count(jobs, seen) == 1
    assert job_rows.changed_count(jobs[:1], seen) == 2
