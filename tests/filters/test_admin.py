"""The search box of the admin's lists takes the same filters as the pages."""

from urllib.parse import urlencode

import pytest
from django.test import Client

from jobs.filters import search
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db

JOBS, LETTERS = "/admin/jobs/job/", "/admin/jobs/deadletter/"


def shown(client: Client, text: str, address: str = JOBS) -> tuple[set[str], list[str]]:
    """Return the ids of the listed jobs, and the messages above."""
    context = client.get(f"{address}?{urlencode({'q': text})}").context
    return {str(job.pk) for job in context["cl"].result_list}, [str(message) for message in context["messages"]]


def test_lists_are_filtered_as_on_the_pages(operating: Client) -> None:
    jobs = {state: str(make_job(state, args=[7]).id) for state in ("queued", "dead", "succeeded")}
    assert shown(operating, "state:dead,queued task:add") == ({jobs["dead"], jobs["queued"]}, [])
    assert shown(operating, "-state:dead args.0:7") == ({jobs["queued"], jobs["succeeded"]}, [])
    assert shown(operating, "task:add", LETTERS) == ({jobs["dead"]}, [])
    assert shown(operating, "state:queued", LETTERS) == (set(), [])


def test_a_mistake_is_told_and_shows_nothing(viewing: Client) -> None:
    make_job("dead")
    listed, (message,) = shown(viewing, "state:deed")
    assert (listed, message.startswith("There is no state deed. Did you mean dead?")) == (set(), True)
    listed, (message,) = shown(viewing, "args.0:7", LETTERS)
    assert (listed, "needs the permission to view payloads" in message) == (set(), True)


def test_what_was_not_searched_is_told(operating: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEWEST", 3)
    monkeypatch.setattr(search, "LISTED", 2)
    jobs = [str(make_job("queued", args=[7]).id) for _ in range(4)]
    listed, (message,) = shown(operating, "args.0:7")
    assert listed == set(jobs[2:])
    assert message == (
        "No index serves args.0:7: only the newest 3 jobs that match the rest were searched."
        " The newest 2 of them are shown."
    )


def test_an_action_on_all_that_match_changes_no_others(operating: Client) -> None:
    meant, other = make_job("dead", args=[7]), make_job("dead", args=[8])
    form = {"action": "discard", "select_across": "1", "_selected_action": str(other.id), "confirmed": "yes"}
    address = f"{LETTERS}?{urlencode({'q': 'args.0:7'})}"
    answer = operating.post(address, {**form, "reason": "obsolete"})
    assert answer.status_code == 302
    assert [fresh(job).state for job in (meant, other)] == ["cancelled", "dead"]
