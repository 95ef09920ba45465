"""Edit and retry."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job
from tests.admin.conftest import page
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db

ADD = "tests.tasks.add"


@pytest.fixture
def dead() -> Job:
    return make_job("dead", task=ADD, args=[1], kwargs={"b": 2})


def form_of(client: Client, job: Job) -> dict[str, Any]:
    answer = client.get(page("job", job.pk, "edit"))
    assert answer.status_code == 200
    return {
        "args": "[1]",
        "kwargs": '{"b": 2}',
        "reason": "fixed",
        "version": answer.context["form"]["version"].value(),
    }


def test_a_job_runs_again_with_the_new_arguments(operating: Client, dead: Job) -> None:
    form = {**form_of(operating, dead), "args": "[40]", "kwargs": '{"b": 2}'}
    operating.post(page("job", dead.pk, "edit"), form)
    job = fresh(dead)
    assert (job.state, job.args, job.kwargs, job.failure_count) == ("queued", [40], {"b": 2}, 0)
    entry = AuditEntry.objects.get(action="edit")
    assert (entry.actor, entry.reason) == ("operator", "fixed")
    assert (entry.before["args"], entry.after["args"]) == ([1], [40])


@pytest.mark.parametrize(
    ("field", "text", "complaint"),
    [
        ("args", "[1", "Enter a valid JSON"),
        ("args", '{"a": 1}', "Enter a JSON list"),
        ("kwargs", "[1]", "Enter a JSON object"),
        ("kwargs", '{"c": 1}', "unexpected keyword argument"),
        ("args", "[1, 2]", "multiple values for argument"),
        ("args", "[NaN]", "not JSON"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_reason(
    operating: Client, dead: Job, field: str, text: str, complaint: str
) -> None:
    answer = operating.post(page("job", dead.pk, "edit"), {**form_of(operating, dead), field: text})
    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert fresh(dead).state == "dead"


def test_the_slower_of_two_editors_is_told(operating: Client, dead: Job) -> None:
    form = form_of(operating, dead)
    operate.discard([dead.pk], actor="somebody")
    answer = operating.post(page("job", dead.pk, "edit"), form)
    assert "changed meanwhile" in answer.content.decode()
    assert fresh(dead).state == "cancelled"


def test_a_job_that_is_not_final_cannot_be_edited(operating: Client) -> None:
    queued = make_job("queued", task=ADD, args=[1])
    answer = operating.get(page("job", queued.pk, "edit"), follow=True)
    assert "a queued job cannot be retried" in answer.content.decode()


@pytest.mark.parametrize("lacking", ["edit_job", "view_payload", "retry_job"])
def test_every_permission_is_needed(operator: User, dead: Job, lacking: str) -> None:
    operator.user_permissions.remove(Permission.objects.get(codename=lacking))
    client = Client()
    client.force_login(operator)
    assert page("job", dead.pk, "edit") not in client.get(page("job", dead.pk, "change")).content.decode()
    assert client.get(page("job", dead.pk, "edit")).status_code == 403
    assert client.post(page("job", dead.pk, "edit"), {"args": "[]", "kwargs": "{}"}).status_code == 403
    assert fresh(dead).state == "dead"
