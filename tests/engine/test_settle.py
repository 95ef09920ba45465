"""Settlements: what each end of a run means for its job, its history and the statistics."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import events, lifecycle
from jobs.errors import PermanentError
from jobs.lifecycle import operate
from jobs.lifecycle.due import promote_due
from jobs.models import Attempt, Job, Statistic
from jobs.states import Outcome
from tests.engine import tasks
from tests.engine.runs import finished
from tests.factories import WORKER, claim, ended, fresh, make_job, make_worker

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

NUMBERS = ("state", "attempt", "failure_count", "loss_count")


def numbers(job: Job) -> tuple[Any, ...]:
    return tuple(Job.objects.filter(id=job.id).values_list(*NUMBERS).get())


@pytest.mark.parametrize(
    ("outcome", "expected", "counted"),
    [
        (Outcome.SUCCESS, ("succeeded", 1, 0, 0), {"success": 1, "state_succeeded": 1}),
        (Outcome.ERROR, ("retrying", 1, 1, 0), {"error": 1, "retried": 1}),
        (Outcome.TIMEOUT, ("retrying", 1, 1, 0), {"timeout": 1, "retried": 1}),
        (Outcome.LOST, ("queued", 1, 0, 1), {"lost": 1, "rescued": 1}),
        (Outcome.CANCELLED, ("queued", 1, 0, 0), {"cancelled": 1}),
        (Outcome.SNOOZED, ("retrying", 1, 0, 0), {"snoozed": 1}),
        (Outcome.DISCARDED, ("cancelled", 1, 0, 0), {"discarded": 1, "state_cancelled": 1}),
    ],
)
def test_each_outcome_moves_the_job_and_is_counted(outcome: Outcome, expected: Any, counted: Any) -> None:
    job = make_job()
    states = lifecycle.settle([ended(claim(job), outcome)])
    assert states == {job.id: expected[0]}
    assert numbers(job) == expected
    row = fresh(job)
    assert (row.claim, row.claimed_at, row.published_at, row.worker) == (None, None, None, WORKER)
    attempt = job.attempts.get()
    assert (attempt.number, attempt.outcome, attempt.queue) == (1, outcome, "default")
    (statistic,) = Statistic.objects.all()
    assert (statistic.counts, statistic.queue, statistic.task) == (counted, "default", job.task)
    assert sum(statistic.histograms["run"][1]) == sum(statistic.histograms["wait"][1]) == 1


def test_a_batch_is_one_row_of_statistics_per_queue_and_task() -> None:
    make_worker()
    jobs = [make_job(queue=queue) for queue in "aabba"]
    lifecycle.settle([ended(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)])
    assert {row.queue: row.counts["success"] for row in Statistic.objects.all()} == {"a": 3, "b": 2}
    assert Attempt.objects.count() == 5


def test_a_batch_takes_few_statements(django_assert_max_num_queries: Any) -> None:
    make_worker()
    ids = [job.id for job in Job.objects.enqueue_many(tasks.add, [(number,) for number in range(50)])]
    with django_assert_max_num_queries(3):
        runs = lifecycle.claim(ids, worker=WORKER)
    with django_assert_max_num_queries(10):
        lifecycle.settle([ended(run) for run in runs])
    assert Job.objects.succeeded().count() == 50


def test_attempts_are_numbered_over_all_outcomes() -> None:
    job = make_job()
    for outcome in (Outcome.LOST, Outcome.CANCELLED, Outcome.SUCCESS):
        lifecycle.settle([ended(claim(job), outcome)])
    assert list(job.attempts.values_list("number", flat=True)) == [1, 2, 3]
    assert numbers(job) == ("succeeded", 3, 0, 1)


def test_the_last_attempt_that_fails_is_a_dead_letter() -> None:
    job = make_job(max_attempts=1)
    lifecycle.settle([ended(claim(job), Outcome.ERROR)])
    assert (numbers(job), fresh(job).reason) == (("dead", 1, 1, 0), "1 of 1 attempts failed")
    assert Statistic.objects.get().counts == {"error": 1, "state_dead": 1}


def test_snoozes_and_losses_do_not_use_attempts_up() -> None:
    job = make_job(max_attempts=1)
    lifecycle.settle([ended(claim(job), Outcome.LOST)])
    lifecycle.settle([ended(claim(job), Outcome.CANCELLED)])
    assert numbers(job) == ("queued", 2, 0, 1)


def test_a_permanent_error_is_dead_at_once() -> None:
    job = make_job()
    lifecycle.settle([ended(claim(job), Outcome.ERROR, error=PermanentError("no"), message="no")])
    assert (fresh(job).state, fresh(job).reason) == ("dead", "permanent error: no")


def test_the_delay_is_counted_on_the_database_s_clock() -> None:
    job = finished(tasks.fail)
    assert job.state == "retrying"
    assert 55 < (job.due_at - timezone.now()).total_seconds() < 61


def test_a_policy_that_gives_up_makes_a_dead_letter() -> None:
    job = finished(tasks.fail_with_one_delay)
    assert job.state == "retrying"
    make_queued(job)
    lifecycle.settle([ended(claim(job), Outcome.ERROR)])
    assert (numbers(job)[:3], fresh(job).reason) == (("dead", 2, 2), "the retry policy gave up")


@pytest.mark.parametrize("kind", ["raise", "nan", "negative"])
def test_a_policy_that_is_broken_harms_only_its_jobs(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    make_worker()
    jobs = [make_job(task="tests.engine.tasks.fail_by_broken_policy", args=[kind]), make_job()]
    runs = lifecycle.claim([job.id for job in jobs], worker=WORKER)
    runs[0].message = kind
    states = lifecycle.settle([ended(run, Outcome.ERROR, error=ValueError(kind)) for run in runs])
    assert states == {jobs[0].id: "dead", jobs[1].id: "retrying"}
    assert fresh(jobs[0]).reason == "the retry policy itself failed"
    assert "the retry policy of tests.engine.tasks.fail_by_broken_policy failed" in caplog.text


def test_a_delay_beyond_all_calendars_is_a_year() -> None:
    job = make_job(task="tests.engine.tasks.fail_by_broken_policy", args=["endless"])
    lifecycle.settle([ended(claim(job), Outcome.ERROR, error=ValueError("endless"))])
    assert fresh(job).state == "retrying"
    assert 365 <= (fresh(job).due_at - timezone.now()).days <= 366


def make_queued(job: Job) -> None:
    """Let the delay be over."""
    Job.objects.filter(id=job.id).update(due_at=timezone.now() - timedelta(seconds=1))
    assert promote_due() == 1


def test_a_reason_or_class_that_is_too_long_is_cut() -> None:
    job = make_job()
    lifecycle.settle([ended(claim(job), Outcome.ERROR, message="m" * 1500, exception_class="c" * 300)])
    attempt = job.attempts.get()
    assert (len(fresh(job).reason), len(attempt.message), len(attempt.exception_class)) == (255, 1000, 255)


def test_one_bad_row_does_not_harm_its_batch() -> None:
    make_worker()
    jobs = [make_job() for _ in range(4)]
    runs = [ended(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)]
    for run in runs:
        run.result_text = '"fine"'
    runs[2].result_text = '{"cut off'
    states = lifecycle.settle(runs)
    assert [states.get(run.job_id) for run in (runs[0], runs[1], runs[3])] == ["succeeded"] * 3
    assert {fresh(jobs[index]).result for index in (0, 1, 3)} == {"fine"}


def test_a_result_that_the_database_refuses_is_an_error_of_its_job() -> None:
    job, other = make_job(), make_job()
    runs = [ended(claim(job), result_text='{"cut off'), ended(claim(other))]
    states = lifecycle.settle(runs)
    assert states == {job.id: "retrying", other.id: "succeeded"}
    assert job.attempts.get().message == "the result or traceback could not be stored"


def test_a_settlement_whose_reply_was_lost_is_made_once() -> None:
    make_worker()
    jobs = [make_job(), make_job()]
    runs = [ended(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)]
    runs[1].outcome = Outcome.ERROR
    first = lifecycle.settle(runs)
    before = list(Job.objects.order_by("id").values())
    assert lifecycle.settle(runs) == first
    assert list(Job.objects.order_by("id").values()) == before
    assert (Attempt.objects.count(), Statistic.objects.count()) == (2, 1)


def test_nothing_to_settle_is_nothing() -> None:
    assert lifecycle.settle([]) == {}


# -- cancel while it runs --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.SUCCESS, "succeeded"),
        (Outcome.ERROR, "cancelled"),
        (Outcome.TIMEOUT, "cancelled"),
        (Outcome.SNOOZED, "cancelled"),
        (Outcome.LOST, "cancelled"),
        (Outcome.CANCELLED, "cancelled"),
        (Outcome.DISCARDED, "cancelled"),
    ],
)
def test_a_cancel_request_wins_over_everything_but_success(outcome: Outcome, state: str) -> None:
    job = make_job()
    run = claim(job)
    operate.cancel([job.id], actor="test")
    assert fresh(job).state == "running"
    assert lifecycle.cancel_requests([WORKER, "other"]) == {job.id: WORKER}
    assert lifecycle.settle([ended(run, outcome)]) == {job.id: state}
    assert fresh(job).state == state
    assert Statistic.objects.exclude(queue="").get().counts[f"state_{state}"] == 1


def test_a_last_failure_stays_a_dead_letter_though_a_cancel_was_asked_for() -> None:
    job = make_job(max_attempts=1)
    run = claim(job)
    operate.cancel([job.id], actor="test")
    assert lifecycle.settle([ended(run, Outcome.ERROR)]) == {job.id: "dead"}


# -- what listeners hear ---------------------------------------------------------------------------
def test_listeners_hear_of_a_batch_once_after_the_commit(
    django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[events.JobsSettled] = []
    monkeypatch.setitem(events._listeners, events.JobsSettled, [heard.append])
    make_worker()
    jobs = [make_job() for _ in range(3)]
    runs = [ended(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)]
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.settle(runs)
        assert heard == []
    assert [change.state for change in heard[0].changes] == ["succeeded"] * 3
    assert len(heard) == 1


def test_a_listener_that_fails_harms_nobody(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[object] = []
    broken = {}.__getitem__
    monkeypatch.setitem(events._listeners, events.WorkersChanged, [broken, heard.append])
    events.emit(events.WorkersChanged(("w",), "lost"))
    assert len(heard) == 1
    assert "listener" in caplog.text
