"""Secrets in what the pages show: `***` for whoever may not view payloads, by every way."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job, Queue, Schedule
from tests.admin.conftest import page
from tests.factories import make_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
SECRET = "hunter2"
NAMES = [
    "password", "PASSWD", "pwd", "client_secret", "api_key", "apiKey", "access-token", "Authorization", "private_key",
    "session_id", "Cookie", "credentials", "dsn", "passphrase", "card_number", "cvv",
]  # fmt: skip


@pytest.fixture
def kept() -> dict[str, Any]:
    """Rows that hold secrets under every name, nested, and in addresses."""
    secrets = dict.fromkeys(NAMES, SECRET)
    nested = {"b": {"deep": [{"er": secrets}], "url": f"redis://me:{SECRET}@host/0", "size": 4711}}
    job = make_job("dead", task=ADD, args=[1], kwargs={"b": 2})
    Job.objects.filter(pk=job.pk).update(kwargs=nested, result=nested, progress=nested, meta=nested)
    schedule = Schedule.objects.create(name="s", task=ADD, args=[1], kwargs=nested, every_seconds=60)
    before = {"kwargs": nested, "args": [SECRET]}
    operate.audit("ann", "edit", f"job {job.pk}", "", before=before, after={"kwargs": nested})
    return {"job": job.pk, "deadletter": job.pk, "schedule": schedule.pk, "auditentry": AuditEntry.objects.get().pk}


def shown_by(client: Client, keys: dict[str, Any]) -> dict[str, str]:
    """Return every page of these rows, and the figures."""
    views = [(model, view, [key]) for model, key in keys.items() for view in ("change", "history")]
    views += [(model, "changelist", []) for model in keys]
    addresses = [reverse(f"admin:jobs_{model}_{view}", args=args) for model, view, args in views]
    addresses += ["/", "/snapshot.json", "/metrics"]
    return {address: client.get(address).content.decode() for address in addresses}


def test_whoever_may_not_view_payloads_sees_no_secret(viewing: Client, kept: dict[str, Any]) -> None:
    shown = shown_by(viewing, kept)
    assert not [address for address, text in shown.items() if SECRET in text]
    assert "4711" in shown[page("job", kept["job"], "change")]  # the rest is of use
    assert shown[page("job", kept["job"], "change")].count("***") >= 4 * len(NAMES)


def test_a_verb_and_its_question_show_no_arguments(viewer: User, kept: dict[str, Any]) -> None:
    viewer.user_permissions.add(*Permission.objects.filter(codename__in=["retry_job", "edit_job"]))
    client = Client()
    client.force_login(viewer)
    said = client.post(page("job", kept["job"], "verb", "retry")).content.decode()
    assert "Retry 1 job?" in said
    assert SECRET not in said
    answer = client.get(page("job", kept["job"], "edit"))
    assert (answer.status_code, SECRET in answer.content.decode()) == (403, False)


def test_names_and_passwords_of_failed_log_ins_are_not_kept(caplog: pytest.LogCaptureFixture, settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "LOGIN_ATTEMPTS": 1}
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            Client().post("/admin/login/", {"username": "eve\r\nforged line \x1b[31m", "password": SECRET})
    assert SECRET not in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name == "dashboards.guard"]
    assert len(ours) == 2
    assert not [line for line in ours if "\n" in line or "\r" in line or "\x1b" in line]


def test_a_refusal_does_not_say_what_exists(client: Client, viewing: Client, kept: dict[str, Any]) -> None:
    Queue.objects.create(name="mail")
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))
    missing = "00000000-0000-7000-8000-000000000000"
    for key in (kept["job"], missing):
        assert client.get(page("job", key, "change")).status_code == 302
    assert clerk.get(page("job")).status_code == 403
    assert SECRET not in clerk.get(page("job", kept["job"], "change")).content.decode()
