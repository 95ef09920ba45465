"""Many jobs at once in the admin: in the background above a number, and typed above a larger one."""

from typing import Any

import pytest
from django.test import Client

from jobs import failures, operations
from jobs.admin import confirmation
from jobs.models import AuditEntry, Job, Operation
from tests.admin.conftest import page
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db

ADD = "tests.tasks.add"


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Four dead letters where three are very many and two are many."""
    monkeypatch.setattr(confirmation, "AT_ONCE", 2)
    monkeypatch.setattr(confirmation, "UNTYPED", 3)
    return [make_job("dead", task=ADD, args=[1]) for _ in range(4)]


def form(jobs: list[Job], **more: str) -> dict[str, Any]:
    chosen = [str(job.pk) for job in jobs]
    return {"action": "discard", "_selected_action": chosen, "select_across": "0", "reason": "obsolete", **more}


def test_many_are_changed_in_the_background_and_the_answer_leads_there(operating: Client, letters: list[Job]) -> None:
    asked = operating.post(page("deadletter"), form(letters[:3])).content.decode()
    assert "in the background" in asked
    assert 'name="typed"' not in asked
    told = operating.post(page("deadletter"), form(letters[:3], confirmed="yes"), follow=True).content.decode()
    operation = Operation.objects.get()
    assert f'<a href="{page("operation", operation.pk, "change")}">Operation {operation.pk}</a>' in told
    assert "3 of 3 dead letters can be discarded" in told
    assert (operation.actor, operation.reason, operation.state) == ("operator", "obsolete", "running")
    assert {fresh(job).state for job in letters} == {"dead"}
    operations.finish_now(operation)
    assert [fresh(job).state for job in letters] == ["cancelled"] * 3 + ["dead"]


def test_very_many_are_changed_only_when_the_verb_was_typed(operating: Client, letters: list[Job]) -> None:
    assert "Type <b>discard</b> to confirm" in operating.post(page("deadletter"), form(letters)).content.decode()
    for typed in ({}, {"typed": "yes"}):
        answer = operating.post(page("deadletter"), form(letters, confirmed="yes", **typed))
        assert "Type discard to confirm." in answer.content.decode()
        assert not Operation.objects.exists()
    operating.post(page("deadletter"), form(letters, confirmed="yes", typed="discard"))
    assert Operation.objects.get().expected_count == 4


def test_few_are_changed_at_once(operating: Client, letters: list[Job]) -> None:
    operating.post(page("deadletter"), form(letters[:2], confirmed="yes"))
    assert [fresh(job).state for job in letters] == ["cancelled"] * 2 + ["dead"] * 2
    assert not Operation.objects.exists()


def test_a_failure_leads_to_its_dead_letters_and_no_others(viewing: Client) -> None:
    first, other = make_job("dead", task=ADD, args=[1]), make_job("dead", task="tests.tasks.fail")
    failures.fold()
    assert first.fingerprint != other.fingerprint
    shown = viewing.get(page("failuregroup", first.fingerprint, "change")).content.decode()
    address = f"{page('deadletter')}?fingerprint={first.fingerprint}"
    assert address in shown
    assert "1 in 1 h, 1 in 24 h, 1 in 7 d, 1 in all" in shown
    listed = viewing.get(address).content.decode()
    assert str(first.pk) in listed
    assert str(other.pk) not in listed


def test_values_in_a_filter_are_masked_for_whoever_may_not_see_payloads(viewing: Client, operating: Client) -> None:
    make_job("dead", task=ADD, args=[1], kwargs={"b": "Meyer"})
    previewed = operations.preview("retry", actor="ann", filter="state:dead kwargs.b:Meyer")
    operation = operations.start(previewed, actor="ann")
    entry = AuditEntry.objects.get(action="start")
    addresses = [page("operation", operation.pk, "change"), page("auditentry", entry.pk, "change")]
    addresses += ["/operations/", f"/operations/{operation.pk}/"]
    for address in addresses:
        shown = viewing.get(address).content.decode()
        assert "Meyer" not in shown, address
        assert "state:dead kwargs.b:***" in shown, address
        assert "state:dead kwargs.b:Meyer" in operating.get(address).content.decode(), address
