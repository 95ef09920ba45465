"""What people do: each verb checks permission and legality, changes what it may, and writes one audit row each."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.utils import timezone

from jobs import events, lifecycle
from jobs.errors import InvalidJob, NotPermitted
from jobs.lifecycle import operate
from jobs.models import AuditEntry, DeadLetter, Job, Queue, Statistic
from jobs.states import JobState, Outcome, is_legal
from tests.engine import tasks
from tests.engine.threads import at_once
from tests.factories import claim, ended, fresh, make_job

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

VERBS: dict[str, Callable[..., operate.Report]] = {
    "retry": operate.revive,
    "discard": operate.discard,
    "cancel": operate.cancel,
}


def entries(action: str = "") -> list[AuditEntry]:
    rows = AuditEntry.objects.order_by("id")
    return list(rows.filter(action=action) if action else rows)


# -- legality --------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", sorted(JobState))
@pytest.mark.parametrize(
    ("verb", "sources", "target"),
    [
        ("retry", {"dead", "cancelled"}, "queued"),
        ("discard", {"dead"}, "cancelled"),
        ("cancel", {"blocked", "queued", "retrying", "scheduled"}, "cancelled"),
    ],
)
def test_each_verb_moves_only_what_it_may(state: str, verb: str, sources: set[str], target: str) -> None:
    job = make_job(state)
    before = Job.objects.filter(id=job.id).values().get()
    report = VERBS[verb]([job.id], actor="test")
    if state in sources:
        assert (report.changed, report.skipped, fresh(job).state) == ([job.id], {}, target)
        assert is_legal(state, target)
    elif (verb, state) == ("cancel", "running"):
        assert (report.changed, fresh(job).state, fresh(job).cancel_requested_at is not None) == (
            [job.id], "running", True,
        )  # fmt: skip
    else:
        assert report.changed == []
        assert f"a {state} job cannot be" in report.skipped[job.id]
        assert Job.objects.filter(id=job.id).values().get() == before
        assert not AuditEntry.objects.filter(actor="test").exists()


def test_one_call_reports_every_job() -> None:
    dead, done = make_job("dead"), make_job("succeeded")
    unknown = Job().id
    report = operate.revive([dead.id, done.id, unknown], actor="test")
    assert report.changed == [dead.id]
    assert report.skipped == {done.id: "a succeeded job cannot be retried", unknown: "there is no such job"}
    assert str(report) == (
        "1 changed, 1 skipped: a succeeded job cannot be retried, 1 skipped: there is no such job"
    )


def test_a_queryset_stands_for_all_that_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.lifecycle.changing.BATCH", 3)
    for _ in range(7):
        make_job("dead")
    make_job("succeeded")
    assert DeadLetter.objects.count() == 7
    assert len(operate.revive(DeadLetter.objects.all(), actor="test").changed) == 7
    assert not DeadLetter.objects.exists()
    assert len(entries("retry")) == 7


# -- retry -----------------------------------------------------------------------------------------
def test_a_retried_job_has_fresh_attempts_and_its_history() -> None:
    job = make_job("dead", max_attempts=2)
    operate.revive([job.id], actor="test")
    row = fresh(job)
    assert (row.state, row.failure_count, row.loss_count, row.attempt) == ("queued", 0, 0, 1)
    assert (row.finished_at, row.reason, row.published_at, row.cancel_requested_at) == (None, "", None, None)
    lifecycle.settle([ended(claim(row), Outcome.ERROR)])
    assert fresh(job).state == "retrying"
    assert list(job.attempts.values_list("number", flat=True)) == [1, 2]


def test_a_retry_can_be_put_off() -> None:
    job, later = make_job("dead"), timezone.now() + timedelta(hours=2)
    operate.revive([job.id], actor="test", run_after=later)
    assert (fresh(job).state, fresh(job).due_at) == ("scheduled", later)
    with pytest.raises(InvalidJob, match="run_after: has no time zone"):
        operate.revive([job.id], actor="test", run_after=datetime(2030, 1, 1))  # noqa: DTZ001


def test_an_expired_job_that_is_retried_does_not_expire_at_once() -> None:
    job = make_job("dead", expires_at=timezone.now() + timedelta(seconds=60))
    operate.revive([job.id], actor="test")
    assert fresh(job).expires_at is None


def test_arguments_can_be_edited_with_the_retry() -> None:
    job = make_job("dead", args=[1], kwargs={"b": 2})
    operate.revive([job.id], actor="test", reason="typo", args=[5])
    assert (fresh(job).args, fresh(job).kwargs) == ([5], {"b": 2})
    (entry,) = entries("edit")
    assert (entry.before["args"], entry.after["args"], entry.reason) == ([1], [5], "typo")


def test_keyword_arguments_can_be_edited_away() -> None:
    job = make_job("dead", kwargs={"b": 2})
    operate.revive([job.id], actor="test", kwargs={})
    assert fresh(job).kwargs == {}


@pytest.mark.parametrize(
    "changes", [{"args": [1, 2, 3]}, {"args": [float("nan")]}, {"kwargs": {"c": 1}}, {"args": ["x" * 300_000]}]
)
def test_edited_arguments_must_fit(changes: dict[str, Any]) -> None:
    job = make_job("dead", args=[1])
    with pytest.raises(InvalidJob):
        operate.revive([job.id], actor="test", **changes)
    assert (fresh(job).state, fresh(job).args, entries()) == ("dead", [1], [])


def test_a_job_whose_task_is_gone_is_not_retried() -> None:
    job = make_job("dead")
    Job.objects.filter(id=job.id).update(task="shop.tasks.removed")
    assert "no task named shop.tasks.removed" in operate.revive([job.id], actor="test").skipped[job.id]


def test_a_unique_key_that_is_taken_prevents_a_retry() -> None:
    dead = [make_job("dead", unique_key="k") for _ in range(2)]
    ids = [job.id for job in dead]
    report = operate.revive(ids, actor="test")
    assert (report.changed, "holds the unique key k" in report.skipped[ids[1]]) == ([ids[0]], True)


# -- cancel and discard ----------------------------------------------------------------------------
def test_a_cancelled_job_says_who_and_why() -> None:
    job = make_job(queue="mail")
    operate.cancel([job.id], actor="ann", reason="wrong list")
    row = fresh(job)
    assert (row.state, row.reason, row.published_at) == ("cancelled", "cancelled by ann: wrong list", None)
    counts = {row.queue: row.counts for row in Statistic.objects.all()}
    assert counts == {"mail": {"state_cancelled": 1}, "": {"action:cancel:done": 1}}


def test_a_running_job_is_asked_once() -> None:
    job = make_job("running")
    operate.cancel([job.id], actor="test")
    asked_at = fresh(job).cancel_requested_at
    report = operate.cancel([job.id], actor="test")
    assert report.skipped == {job.id: "its cancellation was requested before"}
    assert fresh(job).cancel_requested_at == asked_at
    (entry,) = entries("cancel")
    assert (entry.before, entry.after) == ({"state": "running"}, {"state": "running", "cancel_requested": True})


def test_a_discarded_letter_can_be_revived() -> None:
    job = make_job("dead")
    operate.discard([job.id], actor="test", reason="r" * 400)
    assert (fresh(job).state, len(fresh(job).reason)) == ("cancelled", 255)
    operate.revive([job.id], actor="test")
    assert fresh(job).state == "queued"


def test_ids_may_be_texts() -> None:
    job = make_job("dead")
    assert operate.discard([str(job.id)], actor="test").changed == [job.id]  # type: ignore[list-item]


# -- audit and permissions -------------------------------------------------------------------------
def test_every_change_has_one_audit_row() -> None:
    job = make_job("dead")
    operate.discard([job.id], actor="ann", reason="obsolete")
    (entry,) = entries()
    assert (entry.actor, entry.action, entry.target, entry.reason) == ("ann", "discard", f"job {job.id}", "obsolete")
    assert (entry.before["state"], entry.after["state"], entry.result) == ("dead", "cancelled", "done")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_user_without_the_permission_is_refused_and_noted(verb: str, viewer: User) -> None:
    job = make_job("queued" if verb == "cancel" else "dead")
    with pytest.raises(NotPermitted, match=f"viewer lacks the permission jobs.{verb}_job"):
        VERBS[verb]([job.id], actor=viewer)
    assert fresh(job).state == job.state
    assert [(entry.actor, entry.action, entry.result) for entry in entries()] == [("viewer", verb, "refused")]


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_user_with_the_permission_may(verb: str, operator: User) -> None:
    job = make_job("queued" if verb == "cancel" else "dead")
    assert VERBS[verb]([job.id], actor=operator).changed == [job.id]
    assert entries()[0].actor == "operator"


def test_editing_takes_a_permission_of_its_own(viewer: User) -> None:
    viewer.user_permissions.add(*permissions("retry_job"))
    viewer = User.objects.get(pk=viewer.pk)
    job = make_job("dead", args=[1])
    with pytest.raises(NotPermitted, match="edit_job"):
        operate.revive([job.id], actor=viewer, args=[2])
    assert operate.revive([job.id], actor=viewer).changed == [job.id]


def permissions(*names: str) -> Any:
    return Permission.objects.filter(content_type__app_label="jobs", codename__in=names)


def test_nobody_is_nobody() -> None:
    with pytest.raises(NotPermitted, match="anonymous"):
        operate.cancel([make_job().id], actor=AnonymousUser())
    assert entries()[0].actor == "anonymous"


def test_the_audit_log_is_append_only() -> None:
    operate.cancel([make_job().id], actor="test")
    (entry,) = entries()
    with pytest.raises(TypeError, match="append-only"):
        entry.save()
    with pytest.raises(TypeError, match="append-only"):
        entry.delete()


def test_listeners_hear_of_it_after_the_commit(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[events.JobsOperated] = []
    monkeypatch.setitem(events._listeners, events.JobsOperated, [heard.append])
    job = make_job("dead")
    with django_capture_on_commit_callbacks(execute=True):
        operate.revive([job.id], actor="ann")
        assert heard == []
    assert heard == [events.JobsOperated("retry", "ann", (job.id,))]


# -- queues ----------------------------------------------------------------------------------------
def test_a_queue_is_paused_and_resumed_with_audit(operator: User, viewer: User) -> None:
    job = make_job(queue="mail")
    assert operate.pause_queue("mail", actor=operator, reason="relay down")
    assert not operate.pause_queue("mail", actor=operator)
    queue = Queue.objects.get(name="mail")
    assert (queue.paused_by, queue.paused_reason, fresh(job).published_at) == ("operator", "relay down", None)
    assert lifecycle.paused_queues() == {"mail"}
    assert operate.resume_queue("mail", actor=operator)
    assert not operate.resume_queue("mail", actor=operator)
    assert [entry.action for entry in entries()] == ["pause", "resume"]
    with pytest.raises(NotPermitted):
        operate.pause_queue("mail", actor=viewer)
    assert entries("pause")[-1].result == "refused"


def test_a_queue_s_name_is_checked() -> None:
    with pytest.raises(InvalidJob, match="queue"):
        operate.pause_queue("two words", actor="test")


@pytest.mark.lingers
@pytest.mark.django_db(transaction=True)
def test_a_retry_that_races_with_an_enqueue_for_its_key_is_skipped_or_first() -> None:
    for number in range(8):
        task, job = tasks.add.using(unique_key=f"k{number}"), make_job("dead", unique_key=f"k{number}")
        works: list[Callable[[], Any]] = [
            lambda job=job: operate.revive([job.id], actor="test"),
            lambda task=task: Job.objects.enqueue(task),
        ]
        report, other = at_once(2, lambda index, works=works: works[index]())
        assert bool(report.changed) == other.is_duplicate
        assert Job.objects.filter(unique_key=f"k{number}", state="queued").count() == 1
