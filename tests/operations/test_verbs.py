"""The verbs that undo, move, copy and empty: what they change, what they leave alone and why."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from jobs import lifecycle
from jobs.errors import InvalidJob, NotPermitted
from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job
from jobs.states import JobState, Outcome, is_legal
from tests.factories import claim, ended, fresh, make_job

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

VERBS: dict[str, tuple[Callable[..., operate.Report], dict[str, Any], str, str]] = {
    "restore": (operate.restore, {}, "jobs.retry_job", "cancelled"),
    "move": (operate.move, {"queue": "other"}, "jobs.edit_job", "queued"),
    "run now": (operate.run_now, {}, "jobs.retry_job", "scheduled"),
    "clone": (operate.clone, {}, "jobs.edit_job", "dead"),
    "empty": (operate.empty, {}, "jobs.discard_job", "queued"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_asks_for_its_permission_and_notes_a_refusal(verb: str, viewer: User) -> None:
    perform, options, permission, state = VERBS[verb]
    job = make_job(state)
    with pytest.raises(NotPermitted, match=f"viewer lacks the permission {permission}"):
        perform([job.id], actor=viewer, **options)
    assert AuditEntry.objects.filter(actor="viewer", action=verb, result="refused").count() == 1
    assert fresh(job).state == job.state
    viewer.user_permissions.add(Permission.objects.get(codename=permission.removeprefix("jobs.")))
    assert perform([job.id], actor=User.objects.get(pk=viewer.pk), **options).changed == [job.id]
    assert AuditEntry.objects.filter(actor="viewer", action=verb, result="done").count() == 1


def test_a_discarded_job_is_restored_to_the_dead_letter_that_it_was() -> None:
    job = make_job("dead")
    operate.discard([job.id], actor="ann", reason="obsolete")
    assert operate.restore([job.id], actor="bob").changed == [job.id]
    after = fresh(job)
    assert (after.state, after.reason, after.finished_at) == ("dead", job.reason, job.finished_at)
    assert (after.failure_count, after.cancel_requested_at) == (job.failure_count, None)
    assert is_legal(JobState.CANCELLED, after.state)


@pytest.mark.parametrize(
    ("state", "restored"), [("queued", "queued"), ("scheduled", "scheduled"), ("retrying", "scheduled")]
)
def test_a_cancelled_job_waits_again(state: str, restored: str) -> None:
    job = make_job(state)
    operate.cancel([job.id], actor="ann")
    assert operate.restore([job.id], actor="ann").changed == [job.id]
    after = fresh(job)
    assert (after.state, after.due_at, after.reason) == (restored, job.due_at, job.reason)
    assert (after.published_at, after.finished_at, after.cancel_requested_at) == (None, None, None)


def test_only_the_last_word_of_an_operator_is_undone() -> None:
    expired, dead, again, keyed = make_job(), make_job("dead"), make_job("dead"), make_job(unique_key="k")
    lifecycle.settle([ended(claim(expired), Outcome.DISCARDED)])
    operate.discard([again.id], actor="ann")
    operate.revive([again.id], actor="ann")
    lifecycle.settle([ended(claim(again), Outcome.DISCARDED)])
    operate.cancel([keyed.id], actor="ann")
    make_job(unique_key="k")
    report = operate.restore([expired.id, dead.id, again.id, keyed.id], actor="ann")
    assert report.changed == []
    assert report.skipped == {
        expired.id: "nobody discarded or cancelled it",
        dead.id: "a dead job has nothing to undo",
        again.id: "nobody discarded or cancelled it",
        keyed.id: "another unfinished job holds the unique key k",
    }


def test_two_jobs_with_one_key_are_not_both_brought_back() -> None:
    first, second = make_job("dead", unique_key="k"), make_job("dead", unique_key="k")
    report = operate.revive([first.id, second.id], actor="ann")
    assert (report.changed, report.skipped) == (
        [first.id], {second.id: "another unfinished job holds the unique key k"},
    )  # fmt: skip


def test_a_moved_job_leaves_its_message_behind_and_is_sent_anew() -> None:
    waiting, dead, running = make_job(queue="old"), make_job("dead", queue="old"), make_job("running", queue="old")
    there = make_job(queue="new")
    ids = [waiting.id, dead.id, running.id, there.id]
    report = operate.move(ids, queue="new", actor="ann")
    assert report.changed == [waiting.id, dead.id]
    assert report.skipped == {running.id: "a running job cannot be moved", there.id: "it is on new already"}
    assert [(fresh(job).queue, fresh(job).published_at) for job in (waiting, dead)] == [("new", None)] * 2
    entry = AuditEntry.objects.get(target=f"job {waiting.id}")
    assert (entry.before, entry.after) == ({"queue": "old"}, {"queue": "new"})
    with pytest.raises(InvalidJob):
        operate.move(ids, queue="no such name", actor="ann")


def test_a_delayed_job_runs_now() -> None:
    scheduled, retrying, queued = make_job("scheduled"), make_job("retrying"), make_job()
    report = operate.run_now([scheduled.id, retrying.id, queued.id], actor="ann")
    assert report.changed == [scheduled.id, retrying.id]
    assert report.skipped == {queued.id: "a queued job does not wait for its time"}
    for job in (scheduled, retrying):
        assert fresh(job).state == "queued"
        assert fresh(job).due_at <= timezone.now() + timedelta(seconds=1)
        assert fresh(job).failure_count == job.failure_count


def test_a_copy_has_the_same_work_and_a_life_of_its_own() -> None:
    job = make_job("dead", args=[1], kwargs={"b": 2}, queue="mail", priority=7, tags=["x"], meta={"m": 1}, tenant="t")
    keyed = make_job(unique_key="k")
    unknown = make_job("dead", args=[1])
    Job.objects.filter(id=unknown.id).update(task="gone.task")
    report = operate.clone([job.id, keyed.id, unknown.id], actor="ann", reason="once more")
    assert report.changed == [job.id]
    assert report.skipped == {
        keyed.id: "another unfinished job holds the unique key k",
        unknown.id: "no task named gone.task is registered",
    }
    entry = AuditEntry.objects.get(action="clone")
    copy = Job.objects.get(id=entry.after["clone"])
    assert (entry.target, entry.reason) == (f"job {job.id}", "once more")
    assert (copy.parent_id, copy.enqueued_by) == (job.id, "ann")
    for name in ("task", "args", "kwargs", "queue", "priority", "tags", "meta", "tenant"):
        assert getattr(copy, name) == getattr(job, name)
    assert (copy.state, copy.attempt, copy.failure_count, copy.reason) == ("queued", 0, 0, "")


def test_an_emptied_queue_can_be_filled_again() -> None:
    waiting, running, dead = make_job(), make_job("running"), make_job("dead")
    report = operate.empty([waiting.id, running.id, dead.id], actor="ann", reason="too much")
    assert report.changed == [waiting.id]
    assert set(report.skipped.values()) == {"a running job does not wait", "a dead job does not wait"}
    assert (fresh(waiting).state, fresh(waiting).reason) == ("cancelled", "its queue was emptied by ann: too much")
    operate.restore([waiting.id], actor="ann")
    assert (fresh(waiting).state, fresh(waiting).reason) == ("queued", "")


def test_an_edit_of_a_job_that_has_changed_meanwhile_is_refused() -> None:
    job = make_job("dead", args=[1], kwargs={"b": 2})
    version = operate.version_of(job)
    operate.discard([job.id], actor="bob")
    report = operate.revive([job.id], actor="ann", args=[2], version=version)
    assert report.skipped == {job.id: "it has changed meanwhile"}
    version = operate.version_of(fresh(job))
    assert operate.revive([job.id], actor="ann", args=[2], version=version).changed == [job.id]
    assert fresh(job).args == [2]


@pytest.mark.lingers
def test_jobs_that_change_alike_are_written_with_one_statement(django_assert_max_num_queries: Any) -> None:
    ids = [make_job("dead").id for _ in range(40)]
    with django_assert_max_num_queries(12):
        assert len(operate.revive(ids, actor="ann").changed) == 40
