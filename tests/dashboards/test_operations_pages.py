"""Failure groups and bulk operations as a server sends them: preview, confirmation, progress, results, undo."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboards import bulk
from dashboards.pages import failures as page_of_failures
from dashboards.pages import operations as page_of_operations
from jobs import failures, operations
from jobs.lifecycle import operate
from jobs.models import AuditEntry, FailureGroup, Job, Operation
from jobs.operations import at_once
from tests.dashboards.conftest import forget
from tests.factories import fresh, make_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
FAIL = "tests.tasks.fail"
HOSTILE = "<img src=x onerror=alert(1)>"
QUERY_LIMIT = 24


def text_of(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def previewed(client: Client, verb: str, **form: Any) -> Operation:
    """Post the form of a list and return the operation that was made."""
    answer = client.post("/operations/preview/", {"verb": verb, **form})
    found = re.fullmatch(r"/operations/(\d+)/", answer.headers["Location"])
    assert found, answer.headers["Location"]
    return Operation.objects.get(pk=int(found[1]))


def test_chosen_rows_are_counted_confirmed_and_changed_with_a_reason(operating: Client) -> None:
    dead, queued = make_job("dead", task=ADD, args=[1]), make_job("queued", task=ADD, args=[1])
    made = previewed(operating, "retry", ids=[str(dead.pk), str(queued.pk)])
    page = text_of(operating, f"/operations/{made.pk}/")
    assert "Retry 1 job?" in page
    assert "It runs again" in page
    assert "a queued job cannot be retried" in page
    assert fresh(dead).state == "dead"
    answer = operating.post(f"/operations/{made.pk}/start/", {"reason": "fixed"}, follow=True)
    page = answer.content.decode()
    assert "Left alone" in page
    assert str(queued.pk) in page
    assert fresh(dead).state == "queued"
    entry = AuditEntry.objects.get(target=f"job {dead.pk}")
    assert (entry.actor, entry.reason, entry.operation_id) == ("operator", "fixed", made.pk)
    page = text_of(operating, "/operations/")
    assert "“fixed”" in page
    assert "started <a" in page
    assert "</a> to retry 2 jobs" in page
    assert f"operation {made.pk}</span> to retry 2 jobs" in text_of(operating, "/")
    assert str(dead.pk) not in page  # its row stands in its own history
    assert "state dead → queued" in text_of(operating, f"/jobs/{dead.pk}/")


def test_all_that_match_are_meant_as_they_matched_at_the_start(operating: Client) -> None:
    for _ in range(3):
        make_job("dead", task=FAIL)
    other = make_job("dead", task=ADD, args=[1])
    made = previewed(operating, "discard", scope="all", q=f"state:dead task:{FAIL} created:>-1h", ids=[str(other.pk)])
    assert made.possible_count == 3
    assert "created:>-1h" not in made.filter
    operating.post(f"/operations/{made.pk}/start/", {"reason": ""})
    assert Job.objects.filter(state="cancelled").count() == 3
    assert fresh(other).state == "dead"
    page = text_of(operating, f"/operations/{made.pk}/")
    assert 'id="changed-count">3<' in page
    answer = operating.post(f"/operations/{made.pk}/undo/", {"reason": "oh"}, follow=True)
    assert "Undo" in answer.content.decode()
    assert Job.objects.filter(state="dead").count() == 4
    assert "Undone by <b>operator</b>" in text_of(operating, f"/operations/{made.pk}/")


def test_many_jobs_are_changed_in_the_background_once_their_number_is_typed(
    operating: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr(at_once, "AT_ONCE", 2)
    monkeypatch.setattr(bulk, "TYPED_ABOVE", 3)
    for _ in range(4):
        make_job("dead", task=FAIL)
    made = previewed(operating, "retry", scope="all", q="state:dead")
    assert "Type <b>4</b> to confirm" in text_of(operating, f"/operations/{made.pk}/")
    answer = operating.post(f"/operations/{made.pk}/start/", {"typed": "5"}, follow=True)
    assert "type 4 to confirm" in answer.content.decode()
    operating.post(f"/operations/{made.pk}/start/", {"typed": "4", "per_second": "2"})
    made.refresh_from_db()
    assert (made.state, made.per_second) == ("running", 2)
    page = text_of(operating, f"/operations/{made.pk}/", HX_Request="true")
    assert "No scheduler leads" in page
    operations.advance()
    page = text_of(operating, f"/operations/{made.pk}/", HX_Request="true")
    assert 'id="changed-count">2<' in page
    operating.post(f"/operations/{made.pk}/stop/")
    page = text_of(operating, f"/operations/{made.pk}/")
    assert "Stopped by <b>operator</b>" in page
    assert Job.objects.filter(state="dead").count() == 2


def test_an_operation_says_what_became_of_those_it_did_not_change(operating: Client, monkeypatch: Any) -> None:
    def page_of(state: str, **counts: int) -> str:
        made = Operation.objects.create(
            verb="retry", actor="ann", ids=[], state=state, started_at=timezone.now(), finished_at=timezone.now(),
            **counts,
        )  # fmt: skip
        return text_of(operating, f"/operations/{made.pk}/")

    assert "Every one was changed" in page_of("finished", changed_count=2)
    assert "No job matched any more" in page_of("finished")
    for state in ("cancelled", "failed"):
        page = page_of(state, changed_count=2)
        assert "The others are as they were" in page
        assert "Every one was changed" not in page
    monkeypatch.setattr(page_of_operations, "REASONS_OF", 3)
    assert "the reasons of the first 3" in page_of("finished", skipped_count=4)
    assert "the reasons of the first" not in page_of("finished", skipped_count=3)


def test_an_operation_of_another_release_is_shown_and_left_alone(operating: Client) -> None:
    made = Operation.objects.create(verb="teleport", actor="ann", ids=[], state="running", started_at=timezone.now())
    assert "teleport" in text_of(operating, f"/operations/{made.pk}/")
    for verb in ("start", "stop", "undo"):
        told = operating.post(f"/operations/{made.pk}/{verb}/", follow=True).content.decode()
        assert "was to teleport, which" in told
    assert "teleport" in text_of(operating, f"/admin/jobs/operation/{made.pk}/change/")
    told = operating.post(f"/admin/jobs/operation/{made.pk}/verb/stop/").content.decode()
    assert "which this release does not know" in told
    made.refresh_from_db()
    assert made.state == "running"


def test_what_cannot_be_asked_for_is_refused(operating: Client, viewing: Client) -> None:
    dead = make_job("dead", task=FAIL)
    for form, said in (
        ({"verb": "retry"}, "Select rows first"),
        ({"verb": "retry", "ids": ["nonsense"]}, "no ids of jobs"),
        ({"verb": "move", "ids": [str(dead.pk)]}, "Nothing was changed"),
        ({"verb": "retry", "scope": "all", "q": "stat:dead"}, "no field stat"),
    ):
        answer = operating.post("/operations/preview/", {**form, "back": "/jobs/?q=x"})
        assert answer.headers["Location"] == "/jobs/?q=x"
        assert said in text_of(operating, "/jobs/")
    assert operating.post("/operations/preview/", {"verb": "explode"}).status_code == 404
    answer = operating.post("/operations/preview/", {"verb": "retry", "back": "https://evil.example/"})
    assert answer.headers["Location"] == "/jobs/"
    for verb in ("retry", "run_now", "cancel", "discard", "move", "clone", "empty", "restore"):
        form = {"verb": verb, "ids": [str(dead.pk)], "queue": "slow"}
        assert viewing.post("/operations/preview/", form).status_code == 403
    assert AuditEntry.objects.filter(result="refused").count() == 8
    assert fresh(dead).state == "dead"


def test_who_may_only_look_starts_stops_and_undoes_nothing(viewing: Client, operating: Client) -> None:
    dead = make_job("dead", task=FAIL)
    made = previewed(operating, "discard", ids=[str(dead.pk)])
    page = text_of(viewing, f"/operations/{made.pk}/")
    assert "You may not do this yourself" in page
    assert "<form" not in page.partition('id="page"')[2]
    for verb in ("start", "stop", "undo"):
        assert viewing.get(f"/operations/{made.pk}/{verb}/").status_code == 405
        assert viewing.post(f"/operations/{made.pk}/{verb}/").status_code == 403
    assert operating.post(f"/operations/{made.pk}/explode/").status_code == 404
    assert fresh(dead).state == "dead"


def test_failures_are_gathered_and_a_group_is_retried_as_one(operating: Client) -> None:
    for number in range(3):
        dead = make_job("dead", task=FAIL)
        dead.attempts.update(message=f"order {number}: {HOSTILE}")
    assert "are not gathered yet" in text_of(operating, "/failures/")
    failures.fold()
    group = FailureGroup.objects.get()
    FailureGroup.objects.update(sample=HOSTILE)
    page = text_of(operating, "/failures/")
    assert f"?q=state%3Adead%20error%3A{group.pk}" in page
    assert "ValueError" in page
    assert HOSTILE not in page
    assert len(re.findall(r'<tr id="job-', text_of(operating, f"/jobs/?q=state:dead+error:{group.pk}"))) == 3
    assert "ValueError" in text_of(operating, "/failures/?q=valueerr")
    assert "No failure matches" in text_of(operating, "/failures/?q=nothing+like+it")
    made = previewed(operating, "retry", fingerprint=group.pk)
    operating.post(f"/operations/{made.pk}/start/", {"reason": "fixed"})
    assert Job.objects.filter(state="queued").count() == 3
    page = text_of(operating, f"/operations/{made.pk}/")
    assert re.search(rf'<a href="/jobs/\?q=error%3A{group.pk}"[^>]*>ValueError: ', page)
    assert "ValueError: " in text_of(operating, "/operations/")
    page = text_of(operating, "/failures/", HX_Request="true")
    assert 'value="retry"' not in page


def test_failure_groups_follow_one_another_by_links(viewing: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(page_of_failures, "ROW_LIMIT", 2)
    dead = make_job("dead", task=FAIL)
    for number in range(5):
        FailureGroup.objects.create(
            fingerprint=f"{number:016}", exception_class=f"Kind{number}", message="m", sample="m", frame="f",
            first_seen_at=dead.created_at, last_seen_at=dead.created_at, last_job_id=dead.pk,
        )  # fmt: skip
    found, path = [], "/failures/"
    while path:
        page = text_of(viewing, path)
        found += re.findall(r">Kind(\d)<", page)
        link = re.search(r'rel="next" href="([^"]+)"', page)
        path = "/failures/" + link[1].replace("&amp;", "&") if link else ""
    assert found == ["4", "3", "2", "1", "0"]
    assert viewing.get("/failures/?before=nonsense").status_code == 200


def test_operations_and_the_log_follow_one_another_by_links(operating: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(page_of_operations, "ENDED_LIMIT", 2)
    monkeypatch.setattr(page_of_operations, "LOG_LIMIT", 2)
    ids = []
    for _ in range(3):
        made = previewed(operating, "retry", ids=[str(make_job("dead", task=ADD, args=[1]).pk)])
        operating.post(f"/operations/{made.pk}/start/")
        ids.append(made.pk)
    page = text_of(operating, "/operations/")
    assert f"?ended={ids[1]}" in page
    assert "?log=" in page
    page = text_of(operating, f"/operations/?ended={ids[1]}")
    assert f'id="operation-{ids[0]}"' in page
    assert f'id="operation-{ids[2]}"' not in page
    assert operating.get("/operations/?ended=x&log=" + "9" * 30).status_code == 200
    assert operating.get(f"/operations/{ids[0]}/?after=x").status_code == 200


def test_the_audit_log_masks_arguments_and_links_to_its_jobs(viewing: Client) -> None:
    dead = make_job("dead", task=ADD, args=[1])
    operate.revive([dead.pk], actor="ann", args=[4711], reason=HOSTILE)
    page = text_of(viewing, "/operations/")
    assert "4711" not in page
    assert HOSTILE not in page
    assert f"/jobs/{dead.pk}/" in page


@pytest.mark.parametrize(
    ("path", "permission"), [("/failures/", "view_failuregroup"), ("/operations/", "view_operation")]
)
def test_a_page_and_its_link_need_their_permission(viewer: User, client: Client, path: str, permission: str) -> None:
    assert client.get(path).status_code == 302
    client.force_login(viewer)
    assert f'href="{path}"' in text_of(client, "/jobs/")
    viewer.user_permissions.remove(viewer.user_permissions.get(codename=permission))
    assert client.get(path).status_code == 403
    assert f'href="{path}"' not in text_of(client, "/jobs/")


@pytest.mark.parametrize("path", ["/failures/", "/operations/", "/operations/{}/"])
def test_the_statements_of_a_page_do_not_grow_with_its_rows(operating: Client, path: str) -> None:
    made = previewed(operating, "retry", ids=[str(make_job("succeeded", task=ADD, args=[1]).pk) for _ in range(3)])
    operating.post(f"/operations/{made.pk}/start/")

    def count() -> int:
        forget()
        with CaptureQueriesContext(connection) as captured:
            page = text_of(operating, path.format(made.pk))
        assert not any(" OFFSET " in query["sql"] for query in captured.captured_queries)
        assert " style=" not in page
        assert page.count("<h1") == 1
        return len(captured)

    make_job("dead", task=FAIL)
    failures.fold()
    few = count()
    for number in range(8):
        dead = make_job("dead", task=FAIL, kwargs={"message": f"{'abcdefgh'[number] * 9}"})
        other = previewed(operating, "retry", ids=[str(dead.pk)])
        operating.post(f"/operations/{other.pk}/start/")
    failures.fold()
    assert count() <= few + 1 <= QUERY_LIMIT
