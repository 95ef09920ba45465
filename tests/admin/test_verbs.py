"""Verbs in the admin: confirmed, audited, and only for those who may."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job, Queue, Schedule
from tests.admin.conftest import page
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db

ADD = "tests.tasks.add"
JOB_VERBS = {"retry": "dead", "discard": "dead", "cancel": "queued", "restore": "cancelled", "clone": "dead"}
CONFIRMED = {"confirmed": "yes", "reason": "because"}


def selected(action: str, *ids: Any, **more: str) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(pk) for pk in ids], "select_across": "0", **more}


def target(verb: str) -> tuple[str, Any, str]:
    """Make an object on which the verb is legal; return its model, its key and the address of the verb."""
    if verb in JOB_VERBS:
        job = make_job(JOB_VERBS[verb], task=ADD, args=[1])
        return "job", job.pk, page("job", job.pk, "verb", verb)
    if verb in ("pause", "resume"):
        Queue.objects.create(name="mail")
        if verb == "resume":
            operate.pause_queue("mail", actor="test")
        return "queue", "mail", page("queue", "mail", "verb", verb)
    schedule = Schedule.objects.create(name="census", task=ADD, args=[1], every_seconds=60, is_enabled=verb != "enable")
    return "schedule", schedule.pk, page("schedule", schedule.pk, "verb", verb)


ALL_VERBS = [*JOB_VERBS, "pause", "resume", "enable", "disable", "run_now"]


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_viewer_gets_403_for_every_verb_by_every_way(viewing: Client, verb: str) -> None:
    model, key, address = target(verb)
    refused_count = AuditEntry.objects.filter(result="refused").count()
    for answer in (
        viewing.post(address),
        viewing.post(address, CONFIRMED),
        viewing.post(page(model), selected(verb, key, **CONFIRMED)),
        viewing.post(page(model), selected(verb, key, index="0")),
    ):
        assert answer.status_code == 403
    assert AuditEntry.objects.filter(result="refused").count() == refused_count + 4
    assert not AuditEntry.objects.filter(reason="because").exists()


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_viewer_sees_no_button_and_no_action(viewing: Client, verb: str) -> None:
    model, key, address = target(verb)
    shown = viewing.get(page(model, key, "change"))
    assert shown.status_code == 200
    assert address not in shown.content.decode()
    assert 'name="action"' not in viewing.get(page(model)).content.decode()


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_an_operator_confirms_with_a_reason_and_the_log_keeps_it(operating: Client, verb: str) -> None:
    model, key, address = target(verb)
    assert address in operating.get(page(model, key, "change")).content.decode()

    question = operating.post(address)
    assert question.status_code == 200
    assert 'name="confirmed"' in question.content.decode()
    assert not AuditEntry.objects.filter(actor="operator").exists()

    answer = operating.post(address, CONFIRMED, follow=True)
    assert answer.redirect_chain[-1][0] == page(model, key, "change")
    (entry,) = AuditEntry.objects.filter(actor="operator")
    assert (entry.reason, entry.result) == ("because", "done")
    history = operating.get(page(model, key, "history")).content.decode()
    assert "because" in history


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_verbs_take_no_get(operating: Client, verb: str) -> None:
    _, _, address = target(verb)
    assert operating.get(address).status_code == 405


@pytest.mark.parametrize("path", ["verb/retry", "edit"])
def test_verbs_need_the_csrf_token(operator: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    job = make_job("dead", task=ADD, args=[1])
    assert client.post(page("job", job.pk, *path.split("/")), CONFIRMED).status_code == 403
    assert client.post(page("job"), selected("retry", job.pk, **CONFIRMED)).status_code == 403
    assert fresh(job).state == "dead"


def test_anonymous_visitors_are_told_to_log_in(client: Client) -> None:
    job = make_job("dead", task=ADD, args=[1])
    answer = client.post(page("job", job.pk, "verb", "retry"), CONFIRMED)
    assert answer.status_code == 401
    assert b'href="/admin/login/"' in answer.content
    assert fresh(job).state == "dead"


def test_one_permission_opens_one_verb(viewer: User) -> None:
    viewer.user_permissions.add(Permission.objects.get(codename="discard_job"))
    client = Client()
    client.force_login(viewer)
    job = make_job("dead", task=ADD, args=[1])
    shown = client.get(page("deadletter", job.pk, "change")).content.decode()
    assert page("deadletter", job.pk, "verb", "discard") in shown
    assert page("deadletter", job.pk, "verb", "retry") not in shown
    assert client.post(page("deadletter", job.pk, "verb", "retry"), CONFIRMED).status_code == 403
    answer = client.post(page("deadletter", job.pk, "verb", "discard"), CONFIRMED)
    assert answer.headers["Location"] == page("job", job.pk, "change")
    assert fresh(job).state == "cancelled"


def test_an_action_changes_what_it_may_and_says_why_it_skips_the_rest(operating: Client) -> None:
    dead = [make_job("dead", task=ADD, args=[1]) for _ in range(2)]
    queued = make_job("queued", task=ADD, args=[1])
    post = selected("retry", queued.pk, *(job.pk for job in dead))

    question = operating.post(page("job"), post).content.decode()
    assert "Retry 2 jobs?" in question
    assert "1 will be skipped because a queued job cannot be retried." in question

    answer = operating.post(page("job"), {**post, **CONFIRMED}, follow=True).content.decode()
    assert "2 jobs retried, 1 skipped because a queued job cannot be retried." in answer
    assert {fresh(job).state for job in dead} == {"queued"}


def test_all_that_match_the_filter_are_changed_and_no_others(operating: Client) -> None:
    ours = [make_job("dead", task=ADD, args=[1], queue="mail") for _ in range(3)]
    other = make_job("dead", task=ADD, args=[1], queue="bulk")
    address = page("deadletter") + "?queue=mail"
    post = {**selected("discard", ours[0].pk), "select_across": "1"}

    assert "Discard 3 dead letters?" in operating.post(address, post).content.decode()
    operating.post(address, {**post, **CONFIRMED})
    assert {fresh(job).state for job in ours} == {"cancelled"}
    assert fresh(other).state == "dead"


def test_a_too_long_reason_is_asked_for_again(operating: Client) -> None:
    job = make_job("dead", task=ADD, args=[1])
    answer = operating.post(page("job", job.pk, "verb", "retry"), {"confirmed": "yes", "reason": "x" * 256})
    assert answer.status_code == 200
    assert fresh(job).state == "dead"


def test_an_unknown_verb_or_job_is_not_found(operating: Client) -> None:
    job = make_job("dead", task=ADD, args=[1])
    assert operating.post(page("job", job.pk, "verb", "explode")).status_code == 404
    assert operating.post(page("job", "00000000-0000-0000-0000-000000000000", "verb", "retry")).status_code == 404
    assert operating.post(page("job", "nonsense", "verb", "retry")).status_code == 404


def test_a_schedule_run_now_enqueues_its_job(operating: Client) -> None:
    _, key, address = target("run_now")
    operating.post(address, CONFIRMED)
    assert Job.objects.get().meta["schedule"] == Schedule.objects.get(pk=key).name


def test_a_disabled_schedule_counts_as_edited(operating: Client) -> None:
    _, key, address = target("disable")
    operating.post(address, CONFIRMED)
    schedule = Schedule.objects.get(pk=key)
    assert (schedule.is_enabled, schedule.is_edited) == (False, True)


def test_a_paused_queue_says_who_and_why(operating: Client) -> None:
    _, _, address = target("pause")
    operating.post(address, CONFIRMED)
    queue = Queue.objects.get(name="mail")
    assert (queue.paused_by, queue.paused_reason) == ("operator", "because")
