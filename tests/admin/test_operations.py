"""Bulk operations in the admin: stopped and undone there as on their page."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs import operations
from jobs.models import AuditEntry, Job, Operation
from jobs.operations import at_once
from tests.admin.conftest import page
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db

CONFIRMED = {"confirmed": "yes", "reason": "a slip"}


@pytest.fixture
def dead() -> list[Job]:
    return [make_job("dead", task="tests.tasks.add", args=[1]) for _ in range(3)]


def discarding(jobs: list[Job]) -> Operation:
    previewed = operations.preview("discard", actor="ann", ids=[job.pk for job in jobs])
    return operations.start(previewed, actor="ann")


def verb(operation: Operation, name: str) -> str:
    return page("operation", operation.pk, "verb", name)


def test_a_running_operation_is_stopped_behind_its_batch(operating: Client, dead: list[Job]) -> None:
    operation = discarding(dead)
    operations.advance(limit=2)
    shown = operating.get(page("operation", operation.pk, "change")).content.decode()
    assert verb(operation, "stop") in shown
    assert verb(operation, "undo") not in shown
    asked = operating.post(verb(operation, "stop")).content.decode()
    assert "What it has changed stays changed" in asked
    assert Operation.objects.get().state == "running"
    told = operating.post(verb(operation, "stop"), CONFIRMED, follow=True).content.decode()
    assert "1 operation stopped" in told
    operation.refresh_from_db()
    assert (operation.state, operation.cancelled_by, operation.changed_count) == ("cancelled", "operator", 2)
    entry = AuditEntry.objects.get(action="stop")
    assert (entry.actor, entry.target, entry.reason) == ("operator", f"operation {operation.pk}", "a slip")
    assert "Nothing to do" in operating.post(verb(operation, "stop")).content.decode()


def test_an_operation_is_undone_and_the_answer_is_the_one_that_does_it(operating: Client, dead: list[Job]) -> None:
    operation = operations.finish_now(discarding(dead))
    answer = operating.post(verb(operation, "undo"), CONFIRMED)
    undoing = Operation.objects.get(undoes=operation)
    assert answer.headers["Location"] == page("operation", undoing.pk, "change")
    assert (undoing.state, undoing.changed_count, undoing.reason) == ("finished", 3, "a slip")
    assert {fresh(job).state for job in dead} == {"dead"}
    shown = operating.get(page("operation", operation.pk, "change")).content.decode()
    assert f'<a href="{page("operation", undoing.pk, "change")}">restore #{undoing.pk}</a>' in shown
    assert verb(operation, "undo") not in shown
    assert "was undone before" in operating.post(verb(operation, "undo")).content.decode()


def test_the_undo_of_many_is_left_to_the_scheduler(
    operating: Client, dead: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "AT_ONCE", 2)
    operation = operations.finish_now(discarding(dead))
    operating.post(verb(operation, "undo"), CONFIRMED)
    assert Operation.objects.get(undoes=operation).state == "running"
    assert {fresh(job).state for job in dead} == {"cancelled"}


def test_stopping_needs_the_permission_of_what_the_operation_does(operator: User, dead: list[Job]) -> None:
    operator.user_permissions.remove(Permission.objects.get(codename="discard_job"))
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    operation = discarding(dead)
    assert verb(operation, "stop") not in client.get(page("operation", operation.pk, "change")).content.decode()
    assert client.get(verb(operation, "stop")).status_code == 405
    assert client.post(verb(operation, "stop"), CONFIRMED).status_code == 403
    assert not AuditEntry.objects.filter(actor="operator").exists()  # without the token nobody asks who it is
    token = client.cookies["csrftoken"].value
    answer = client.post(verb(operation, "stop"), {**CONFIRMED, "csrfmiddlewaretoken": token})
    assert answer.status_code == 403
    entry = AuditEntry.objects.get(actor="operator")
    assert (entry.action, entry.target, entry.result) == ("stop", f"operation {operation.pk}", "refused")
    assert Operation.objects.get().state == "running"
