"""What the admin's pages show, and what they hide."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.test import Client

from jobs import failures, groups, operations
from jobs.admin import job as job_pages
from jobs.admin.payload import MASK, masked, masked_arguments
from jobs.admin.reading import CappedPaginator
from jobs.lifecycle import operate
from jobs.models import Attempt, AuditEntry, Failure, FailureGroup, Queue, Schedule, Worker
from tests.admin.conftest import page
from tests.factories import make_job

ADD = "tests.tasks.add"
HOSTILE = '<script>alert("x")</script>'
ESCAPED = "&lt;script&gt;alert("


@pytest.fixture
def everything(db: None) -> dict[str, object]:
    """One row of each model, hostile texts wherever a text may stand."""
    dead = make_job("dead", task=ADD, args=[HOSTILE], kwargs={"b": HOSTILE}, subject=HOSTILE)
    Attempt.objects.filter(job=dead).update(traceback=HOSTILE, message=HOSTILE, exception_class=HOSTILE, log=HOSTILE)
    Failure.objects.update(message=HOSTILE, exception_class=HOSTILE, frame=HOSTILE, task=HOSTILE)
    failures.fold()
    operation = operations.preview("retry", actor=HOSTILE, filter=f"state:dead error:{HOSTILE!r}", reason=HOSTILE)
    operate.pause_queue("mail", actor=HOSTILE, reason=HOSTILE)
    worker = Worker.objects.create(
        id="w", pool="p", node=HOSTILE, host="h", pid=1, runs=[{"job": HOSTILE, "seconds": 1}]
    )
    schedule = Schedule.objects.create(name="s", task=ADD, args=[HOSTILE], cron="0 3 * * *", last_error=HOSTILE)
    return {
        "job": dead.pk,
        "deadletter": dead.pk,
        "attempt": Attempt.objects.get().pk,
        "queue": Queue.objects.get().pk,
        "worker": worker.pk,
        "schedule": schedule.pk,
        "failuregroup": FailureGroup.objects.get().pk,
        "operation": operation.pk,
        "auditentry": AuditEntry.objects.latest("id").pk,
    }


def test_every_page_shows_hostile_texts_as_text(operating: Client, everything: dict[str, object]) -> None:
    for model, key in everything.items():
        for address in (page(model), page(model, key, "change"), page(model, key, "history")):
            answer = operating.get(address)
            assert answer.status_code == 200, address
            assert HOSTILE not in answer.content.decode(), address
        assert ESCAPED in operating.get(page(model, key, "change")).content.decode(), model


def test_pages_need_no_inline_script_or_style(operating: Client, everything: dict[str, object]) -> None:
    for model, key in everything.items():
        for address in (page(model), page(model, key, "change")):
            text = operating.get(address).content.decode()
            assert "<style" not in text, address
            assert "<script>" not in text, address
            assert " onclick=" not in text, address


def test_no_form_adds_changes_or_deletes(administrator: User, everything: dict[str, object]) -> None:
    client = Client()
    client.force_login(administrator)
    for model, key in everything.items():
        assert client.get(page(model, "add")).status_code == 403
        assert client.post(page(model, key, "change"), {"state": "queued"}).status_code == 403
        assert client.post(page(model, key, "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.django_db
def test_a_user_without_view_permissions_sees_nothing(everything: dict[str, object]) -> None:
    client = Client()
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    for model, key in everything.items():
        assert client.get(page(model)).status_code == 403
        assert client.get(page(model, key, "change")).status_code == 403


@pytest.mark.django_db
def test_arguments_are_masked_unless_the_user_may_view_payloads(viewing: Client, operating: Client) -> None:
    job = make_job("queued", task=ADD, args=["hunter2"], kwargs={"b": {"api_key": "hunter3", "size": 4711}})
    shown = viewing.get(page("job", job.pk, "change")).content.decode()
    assert "hunter3" not in shown
    assert "4711" in shown
    shown = operating.get(page("job", job.pk, "change")).content.decode()
    assert "hunter2" in shown
    assert "hunter3" in shown


@pytest.mark.fast
def test_secrets_are_masked_by_name_wherever_they_are_nested() -> None:
    value = {
        "user": "ann",
        "Password": "x",
        "deep": [{"auth_token": 1, "url": "redis://me:pw@host/0"}],
        "author": "bob",
    }
    assert masked(value) == {
        "user": "ann",
        "Password": MASK,
        "deep": [{"auth_token": MASK, "url": f"redis://me:{MASK}@host/0"}],
        "author": "bob",
    }


@pytest.mark.fast
def test_a_positional_argument_of_an_unknown_task_is_masked_as_a_whole() -> None:
    assert masked_arguments("gone.task", ["s3cret"], {"b": 1}) == [("[0]", MASK), ("b", 1)]
    assert masked_arguments(ADD, [1, 2], {}) == [("a", 1), ("b", 2)]


@pytest.mark.django_db
def test_jobs_are_found_by_id_key_and_part_of_the_task(viewing: Client) -> None:
    wanted = make_job("queued", task=ADD, args=[1], unique_key="order-17")
    other = make_job("queued", task="tests.tasks.fail")
    for term in (str(wanted.pk), wanted.pk.hex, "order-17", "tasks.ADD"):
        shown = viewing.get(page("job"), {"q": term}).content.decode()
        assert str(wanted.pk) in shown, term
        assert str(other.pk) not in shown, term


@pytest.mark.django_db
def test_lists_filter_by_state_and_queue(viewing: Client) -> None:
    jobs = {state: make_job(state, task=ADD, args=[1], queue="mail") for state in ("queued", "dead", "cancelled")}
    for state, job in jobs.items():
        shown = viewing.get(page("job"), {"state": state, "queue": "mail"}).content.decode()
        assert str(job.pk) in shown
        assert not [name for name, other in jobs.items() if name != state and str(other.pk) in shown]


@pytest.mark.django_db
def test_a_page_beyond_the_cap_does_not_exist(viewing: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CappedPaginator, "cap", 2)
    for _ in range(4):
        make_job("queued", task=ADD, args=[1])
    shown = viewing.get(page("job")).content.decode()
    assert "2 jobs" in shown
    assert "Only the first 2 are counted" in shown


@pytest.mark.django_db
def test_only_the_last_attempts_are_listed(viewing: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_pages, "ATTEMPTS_SHOWN", 2)
    dead = make_job("dead", task=ADD, args=[1])
    first = Attempt.objects.get(job=dead)
    for number in (2, 3):
        first.pk, first.number, first.traceback = None, number, f"traceback {number}"
        first.save(force_insert=True)
    shown = viewing.get(page("deadletter", dead.pk, "change")).content.decode()
    assert shown.index("traceback 3") < shown.index("traceback 2")
    assert "#1" not in shown


@pytest.mark.django_db
def test_the_groups_exist_after_a_migrate_and_keep_later_changes() -> None:
    config = apps.get_app_config("jobs")
    groups.create_groups(config, "default")
    codenames = {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}
    assert codenames == {name: set(wanted) for name, wanted in groups.GROUPS.items()}
    Group.objects.get(name="QueueHub viewer").permissions.clear()
    groups.create_groups(config, "default")
    assert Group.objects.get(name="QueueHub viewer").permissions.count() == 0


@pytest.mark.django_db
def test_a_viewer_of_the_group_sees_the_pages_and_no_secret() -> None:
    user = User.objects.create_user("ann", is_staff=True)
    user.groups.add(Group.objects.get(name="QueueHub viewer"))
    client = Client()
    client.force_login(user)
    assert client.get(page("deadletter")).status_code == 200
    assert client.get("/").status_code == 200


@pytest.mark.django_db
def test_the_pages_of_django_rq_are_hidden(administrator: User) -> None:
    client = Client()
    client.force_login(administrator)
    assert "django_rq" not in client.get("/admin/").content.decode()
    assert client.get("/admin/django_rq/dashboard/").status_code == 404
