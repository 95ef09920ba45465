"""Bulk operations: previewed, started, done batch by batch exactly once, stopped and undone."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone

from jobs import events, operations
from jobs.errors import InvalidJob, NotPermitted
from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job, Operation, OperationResult
from jobs.operations import NotStarted, advancing
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db


def dead(count: int = 1, **columns: Any) -> list[Job]:
    return [make_job("dead", **columns) for _ in range(count)]


def ids_of(jobs: list[Job]) -> list[UUID]:
    return [job.id for job in jobs]


def started(verb: str, jobs: list[Job], **how: Any) -> Operation:
    return operations.start(operations.preview(verb, actor="ann", ids=ids_of(jobs), **how), actor="ann")


def done(verb: str, jobs: list[Job], **how: Any) -> Operation:
    return operations.finish_now(started(verb, jobs, **how))


def counts(operation: Operation) -> tuple[int, int, int]:
    return operation.changed_count, operation.skipped_count, operation.failed_count


# -- preview ---------------------------------------------------------------------------------------
def test_a_preview_says_how_many_can_be_changed_and_why_the_others_not() -> None:
    jobs = [*dead(3), make_job(), make_job("succeeded")]
    operation = operations.preview("retry", actor="ann", ids=[*ids_of(jobs), uuid4()], reason="all well again")
    assert (operation.state, operation.expected_count, operation.possible_count) == ("preview", 6, 3)
    assert operation.refusals == {
        "a queued job cannot be retried": 1, "a succeeded job cannot be retried": 1, "there is no such job": 1,
    }  # fmt: skip
    assert Job.objects.filter(state="dead").count() == 3
    assert operations.advance() == 0


def test_a_preview_counts_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.operations.starting.MOST_COUNTED", 3)
    jobs = dead(4)
    operation = operations.preview("retry", actor="ann", fingerprint=jobs[0].fingerprint)
    assert (operation.expected_count, operation.is_capped, operation.possible_count) == (3, True, 3)
    operation = operations.preview("retry", actor="ann", ids=ids_of(jobs[:3]))
    assert (operation.expected_count, operation.is_capped) == (3, False)


@pytest.mark.parametrize(
    ("verb", "how", "complaint"),
    [
        ("explode", {"ids": []}, "there is no verb explode"),
        ("retry", {}, "do not say which jobs"),
        ("retry", {"ids": [], "fingerprint": "0" * 16}, "do not say which jobs"),
        ("retry", {"ids": [], "per_second": 0}, "out of range"),
        ("retry", {"ids": [], "options": {"queue": "x"}}, "is no option of retry"),
        ("retry", {"ids": [], "options": {"run_after": "2030-01-01T00:00:00"}}, "no time zone"),
        ("retry", {"ids": [], "options": {"run_after": "soon"}}, "not a datetime"),
        ("move", {"ids": []}, "queue: is needed"),
        ("move", {"ids": [], "options": {"queue": "no such name"}}, "not a valid name"),
        ("retry", {"ids": [str(uuid4())] * 2 + [str(UUID(int=n)) for n in range(10_000)]}, "too many"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(verb: str, how: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidJob, match=complaint):
        operations.preview(verb, actor="ann", **how)
    assert not Operation.objects.exists()


# -- the work --------------------------------------------------------------------------------------
def test_every_job_is_changed_skipped_or_failed_exactly_once(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [*dead(5), *(make_job() for _ in range(3))]
    operation = started("retry", jobs, reason="fixed")
    batches = 0
    while operations.advance(limit=3):
        batches += 1
    operation.refresh_from_db()
    assert (operation.state, counts(operation), batches) == ("finished", (5, 3, 0), 3)
    assert {fresh(job).state for job in jobs} == {"queued"}
    entries = AuditEntry.objects.filter(operation_id=operation.pk)
    assert {(entry.actor, entry.action, entry.reason) for entry in entries} == {("ann", "retry", "fixed")}
    assert sorted(entry.target for entry in entries) == sorted(f"job {job.id}" for job in jobs[:5])
    results = OperationResult.objects.filter(operation=operation)
    assert {(row.job_id, row.result, row.reason) for row in results} == {
        (job.id, "skipped", "a queued job cannot be retried") for job in jobs[5:]
    }
    assert AuditEntry.objects.get(action="start").target == f"operation {operation.pk}"


def test_a_group_is_done_to_the_last_job_there_was_at_the_start() -> None:
    jobs, others = dead(4), dead(1, task="tests.engine.tasks.fail")
    operation = operations.preview("discard", actor="ann", fingerprint=jobs[0].fingerprint)
    operation = operations.start(operation, actor="ann")
    assert operations.advance(limit=2) == 2
    late = dead(1)
    assert late[0].fingerprint == jobs[0].fingerprint != others[0].fingerprint
    while operations.advance(limit=2):
        pass
    assert counts(Operation.objects.get()) == (4, 0, 0)
    assert [fresh(job).state for job in [*jobs, *late, *others]] == ["cancelled"] * 4 + ["dead"] * 2


def test_a_job_that_dies_again_is_not_retried_twice() -> None:
    jobs = dead(3)
    operation = operations.preview("retry", actor="ann", fingerprint=jobs[0].fingerprint)
    operations.start(operation, actor="ann")
    while operations.advance(limit=1):
        Job.objects.filter(state="queued").update(state="dead", finished_at=timezone.now(), published_at=None)
    assert counts(Operation.objects.get()) == (3, 0, 0)
    assert AuditEntry.objects.filter(action="retry").count() == 3


@pytest.mark.parametrize(
    ("verb", "state", "options", "after"),
    [
        ("retry", "dead", {"run_after": "2090-01-01T00:00:00Z"}, {"state": "scheduled"}),
        ("cancel", "retrying", {}, {"state": "cancelled"}),
        ("discard", "dead", {}, {"state": "cancelled"}),
        ("empty", "queued", {}, {"state": "cancelled"}),
        ("move", "queued", {"queue": "other"}, {"queue": "other", "state": "queued"}),
        ("run_now", "scheduled", {}, {"state": "queued"}),
        ("clone", "succeeded", {}, {"state": "succeeded"}),
        ("restore", "cancelled", {}, {"state": "queued"}),
    ],
)
def test_each_verb_works_in_bulk(verb: str, state: str, options: dict[str, Any], after: dict[str, str]) -> None:
    job = make_job(state)
    count = Job.objects.count()
    operation = done(verb, [job], options=options)
    assert (operation.state, counts(operation), operation.possible_count) == ("finished", (1, 0, 0), 1)
    assert Job.objects.filter(id=job.id).values(*after).get() == after
    assert Job.objects.count() == count + (verb == "clone")


def test_two_operations_take_turns() -> None:
    first, second = (started("discard", dead(4)) for _ in range(2))
    for _ in range(2):
        operations.advance(limit=2)
    assert [Operation.objects.get(pk=op.pk).changed_count for op in (first, second)] == [2, 2]


def test_an_operation_of_another_release_holds_up_no_others() -> None:
    first, second = (started("discard", dead(1)) for _ in range(2))
    Operation.objects.filter(pk=first.pk).update(verb="teleport")
    assert [operations.advance(), operations.advance()] == [1, 0]
    assert [Operation.objects.get(pk=op.pk).state for op in (first, second)] == ["running", "finished"]


def test_a_throttled_operation_waits_between_its_batches() -> None:
    operation = started("discard", dead(5), per_second=2)
    assert operations.advance() == 2
    assert operations.advance() == 0
    operation.refresh_from_db()
    assert operation.next_at is not None
    assert timezone.now() < operation.next_at <= timezone.now() + timedelta(seconds=1.1)


# -- what goes wrong -------------------------------------------------------------------------------
def test_one_job_that_cannot_be_changed_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = dead(4, args=[1])
    real = operate.why_not_discarded

    def refuse(job: Job) -> str:
        if job.id == jobs[1].id:
            raise RuntimeError("a defect")
        return real(job)

    monkeypatch.setattr(operate, "why_not_discarded", refuse)
    operation = done("discard", jobs)
    assert (operation.state, counts(operation)) == ("finished", (3, 0, 1))
    assert operation.results.values("job_id", "result", "reason").get() == {
        "job_id": jobs[1].id, "result": "failed", "reason": "RuntimeError: a defect",
    }  # fmt: skip
    assert [fresh(job).state for job in jobs] == ["cancelled", "dead", "cancelled", "cancelled"]


def test_a_batch_that_the_ledger_refuses_leaves_nothing_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = dead(4)
    operation = started("discard", jobs)

    def fail(*_: Any) -> None:
        raise OperationalError("the ledger is away")

    with monkeypatch.context() as patch:
        patch.setattr(advancing, "_save", fail)
        with pytest.raises(OperationalError):
            operations.advance(limit=2)
    assert {fresh(job).state for job in jobs} == {"dead"}
    assert not AuditEntry.objects.filter(operation_id=operation.pk).exists()
    assert operations.finish_now(operation).changed_count == 4


def test_an_operation_whose_jobs_cannot_be_found_fails_and_says_why() -> None:
    operation = started("discard", dead(1))
    Operation.objects.filter(pk=operation.pk).update(ids=["no id"])
    assert operations.advance() == 1
    operation.refresh_from_db()
    assert operation.state == "failed"
    assert "its jobs cannot be found" in operation.error
    assert operations.advance() == 0


# -- stop and undo ---------------------------------------------------------------------------------
def test_a_stopped_operation_keeps_what_is_done_and_does_no_more() -> None:
    jobs = dead(4)
    operation = started("discard", jobs)
    operations.advance(limit=3)
    operation = operations.stop(operation, actor="bob", reason="wrong ones")
    assert (operation.state, operation.cancelled_by, operation.changed_count) == ("cancelled", "bob", 3)
    assert operations.advance() == 0
    assert [fresh(job).state for job in jobs].count("dead") == 1
    with pytest.raises(NotStarted, match="cancelled already"):
        operations.stop(operation, actor="bob")
    with pytest.raises(NotStarted, match="cancelled already"):
        operations.start(operation, actor="bob")


@pytest.mark.parametrize(("verb", "state"), [("discard", "dead"), ("cancel", "queued"), ("empty", "scheduled")])
def test_an_operation_is_undone_where_nobody_has_changed_the_jobs_since(verb: str, state: str) -> None:
    jobs = [make_job(state) for _ in range(4)]
    operation = done(verb, jobs)
    operate.revive([jobs[0].id], actor="bob")
    operate.restore([jobs[1].id], actor="bob")
    operate.cancel([jobs[0].id], actor="bob")
    undone = operations.finish_now(operations.undo(operation, actor="ann", reason="a slip"))
    assert (undone.verb, undone.undoes_id, counts(undone)) == ("restore", operation.pk, (2, 2, 0))
    assert [fresh(job).state for job in jobs] == ["cancelled", state, state, state]
    reasons = {row.job_id: row.reason for row in undone.results.all()}
    assert reasons == {jobs[0].id: "it was changed since", jobs[1].id: f"a {state} job has nothing to undo"}
    with pytest.raises(NotStarted, match="was undone before"):
        operations.undo(operation, actor="ann")


def test_only_what_can_be_undone_is_and_only_when_it_is_over() -> None:
    with pytest.raises(NotStarted, match="was to retry, which cannot be undone"):
        operations.undo(done("retry", dead(1)), actor="ann")
    with pytest.raises(NotStarted, match="stop it first"):
        operations.undo(started("discard", dead(1)), actor="ann")
    with pytest.raises(NotStarted, match="has changed nothing"):
        operations.undo(done("discard", [make_job()]), actor="ann")


# -- who may, who hears of it, how long it is kept --------------------------------------------------
def test_every_step_asks_for_the_permission_of_the_verb(viewer: User, operator: User) -> None:
    jobs = dead(2)
    with pytest.raises(NotPermitted, match="discard_job"):
        operations.preview("discard", actor=viewer, ids=ids_of(jobs))
    operation = operations.preview("discard", actor=operator, ids=ids_of(jobs))
    for step in (operations.start, operations.stop):
        with pytest.raises(NotPermitted, match="discard_job"):
            step(operation, actor=viewer)
    operation = operations.finish_now(operations.start(operation, actor=operator))
    with pytest.raises(NotPermitted, match="retry_job"):
        operations.undo(operation, actor=viewer)
    assert AuditEntry.objects.filter(actor="viewer", result="refused").count() == 4
    assert {entry.actor for entry in AuditEntry.objects.filter(operation_id=operation.pk)} == {"operator"}


def test_open_pages_hear_of_each_batch(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[events.OperationChanged] = []
    monkeypatch.setitem(events._listeners, events.OperationChanged, [heard.append])
    with django_capture_on_commit_callbacks(execute=True):
        operation = started("discard", dead(3))
        operations.advance(limit=2)
        operations.advance(limit=2)
    assert [(event.operation_id, event.state, event.changed) for event in heard] == [
        (operation.pk, "running", 0), (operation.pk, "running", 2), (operation.pk, "finished", 3),
    ]  # fmt: skip
    assert heard[0].expected == 3


def test_old_operations_are_deleted_with_their_results_and_the_audit_log_stays() -> None:
    jobs = [*dead(1), make_job()]
    old, young = done("discard", jobs), done("restore", jobs)
    forgotten, waiting = (operations.preview("discard", actor="ann", ids=ids_of(jobs)) for _ in range(2))
    Operation.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(days=91))
    Operation.objects.filter(pk=forgotten.pk).update(created_at=timezone.now() - timedelta(days=2))
    while operations.delete_old(limit=1):
        pass
    assert set(Operation.objects.values_list("pk", flat=True)) == {young.pk, waiting.pk}
    assert not OperationResult.objects.filter(operation_id=old.pk).exists()
    assert AuditEntry.objects.filter(operation_id=old.pk).count() == 1
