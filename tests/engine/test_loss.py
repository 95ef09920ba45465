"""Jobs come back from workers: released claims, dead workers, and poison pills."""

import time
from importlib import import_module
from typing import Any

import pytest
from django.db.models.functions import Now

from jobs import lifecycle
from jobs.lifecycle import Remains, operate
from jobs.lifecycle.due import promote_due
from jobs.lifecycle.verdict import LOSS_BACKOFF
from jobs.models import Attempt, Job, Worker
from jobs.models.worker import WorkerState
from jobs.states import Outcome
from tests.factories import ADD, WORKER, claim, ended, fresh, make_job, make_worker

pytestmark = [pytest.mark.fast, pytest.mark.django_db]


def left(outcome: Outcome = Outcome.LOST, *, is_alone: bool = False) -> Remains:
    now = time.monotonic()
    return Remains(outcome, "gone", now - 2.0, now, is_alone)


def claim_all(jobs: list[Job]) -> list[Any]:
    make_worker()
    return lifecycle.claim([job.id for job in jobs], worker=WORKER)


def revive_worker() -> None:
    """Stand for the next incarnation under the same name, which real workers never reuse."""
    Worker.objects.filter(id=WORKER).update(state=WorkerState.ACTIVE, ended_at=None)


# -- release ---------------------------------------------------------------------------------------
def test_a_released_claim_leaves_no_mark() -> None:
    job = make_job()
    run = claim(job)
    assert lifecycle.release([job.id], run.claim) == 1
    row = fresh(job)
    assert (row.state, row.attempt, row.failure_count, row.loss_count) == ("queued", 0, 0, 0)
    assert (row.claim, row.claimed_at, row.published_at) == (None, None, None)
    assert not Attempt.objects.exists()
    assert lifecycle.release([job.id], run.claim) == 0


def test_a_released_job_with_a_cancel_request_is_cancelled() -> None:
    job, other = make_job(), make_job()
    runs = claim_all([job, other])
    operate.cancel([job.id], actor="test")
    assert lifecycle.release([job.id, other.id], runs[0].claim) == 2
    assert [fresh(job).state, fresh(other).state] == ["cancelled", "queued"]


def test_claims_that_go_back_to_the_head_are_published_again() -> None:
    job, other = make_job(), make_job(queue="other", priority=3)
    runs = claim_all([job, other])
    operate.cancel([job.id], actor="test")
    assert lifecycle.republish([job.id, other.id], runs[0].claim) == [(other.id, 2, "other", 3, ADD)]
    assert (fresh(other).state, fresh(other).publish_seq, fresh(job).state) == ("queued", 2, "cancelled")
    assert fresh(other).published_at is not None


# -- a worker is gone ------------------------------------------------------------------------------
def test_when_nobody_knows_every_claim_counts_as_lost() -> None:
    jobs = [make_job() for _ in range(3)]
    claim_all(jobs)
    assert lifecycle.lose_worker(WORKER) == 3
    for job in jobs:
        row = fresh(job)
        assert (row.state, row.attempt, row.failure_count, row.loss_count) == ("queued", 1, 0, 1)
        attempt = job.attempts.get()
        assert (attempt.outcome, attempt.is_alone, attempt.worker) == ("lost", False, WORKER)
        assert attempt.started_at <= attempt.finished_at
    worker = Worker.objects.get(id=WORKER)
    assert (worker.state, worker.ended_at is not None) == ("lost", True)


def test_what_the_pool_parent_knows_tells_begun_runs_from_others() -> None:
    jobs = [make_job() for _ in range(4)]
    claim_all(jobs)
    remains = {
        jobs[0].id: left(Outcome.LOST, is_alone=True),
        jobs[1].id: left(Outcome.TIMEOUT),
        jobs[2].id: left(Outcome.CANCELLED),
    }
    assert lifecycle.lose_worker(WORKER, remains=remains) == 4
    rows = [fresh(job) for job in jobs]
    assert [row.state for row in rows] == ["queued", "retrying", "queued", "queued"]
    assert [row.attempt for row in rows] == [1, 1, 1, 0]
    assert [row.failure_count for row in rows] == [0, 1, 0, 0]
    assert [row.loss_count for row in rows] == [1, 0, 0, 0]
    timeout = jobs[1].attempts.get()
    assert (timeout.exception_class, timeout.message) == ("jobs.errors.TaskTimeout", "gone")
    assert 1.9 < timeout.duration_seconds < 3
    assert jobs[0].attempts.get().is_alone


def test_losing_a_worker_twice_changes_nothing() -> None:
    job = make_job()
    claim(job)
    lifecycle.lose_worker(WORKER)
    before = Job.objects.filter(id=job.id).values().get()
    assert lifecycle.lose_worker(WORKER, remains={job.id: left()}) == 0
    assert Job.objects.filter(id=job.id).values().get() == before
    assert Attempt.objects.count() == 1


def test_a_lost_worker_never_beats_again() -> None:
    make_worker()
    make_worker("other")
    lifecycle.lose_worker(WORKER)
    beats = [(WORKER, "[]", 1), ("other", "[]", 2), ("unknown", "[]", 3)]
    assert lifecycle.heartbeat(beats) == {"other": ""}
    assert Worker.objects.get(id="other").memory_bytes == 2
    assert lifecycle.heartbeat([]) == {}


def test_a_worker_that_leaves_in_good_order_gives_its_claims_back() -> None:
    job = make_job()
    claim(job)
    lifecycle.leave(WORKER)
    assert (fresh(job).state, fresh(job).loss_count, Worker.objects.get().state) == ("queued", 0, "stopped")


def test_jobs_of_other_workers_stay_with_them() -> None:
    job, other = make_job(), make_job()
    claim(job)
    claim(other, "worker-2")
    lifecycle.lose_worker(WORKER)
    assert [fresh(job).state, fresh(other).state] == ["queued", "running"]


def test_a_worker_with_more_claims_than_a_batch_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("jobs.lifecycle.release"), "_BATCH", 2)
    jobs = [make_job() for _ in range(3)]
    claim_all(jobs)
    assert lifecycle.lose_worker(WORKER) == 3
    assert Job.objects.queued().count() == 3
    # the last one was not alone: its two neighbours only went before it
    assert not Attempt.objects.filter(is_alone=True).exists()


def test_a_cancel_request_ends_a_lost_job() -> None:
    job = make_job()
    claim(job)
    operate.cancel([job.id], actor="test")
    lifecycle.lose_worker(WORKER)
    assert (fresh(job).state, job.attempts.get().outcome) == ("cancelled", "cancelled")


# -- poison ----------------------------------------------------------------------------------------
def lose(job: Job, *, is_alone: bool) -> str:
    """Let the job's worker die under it; return the state that follows."""
    revive_worker()
    if fresh(job).state == "retrying":
        Job.objects.filter(id=job.id).update(due_at=Now())
        promote_due()
    claim(job)
    lifecycle.lose_worker(WORKER, remains={job.id: left(is_alone=is_alone)})
    return fresh(job).state


def test_the_third_loss_alone_is_poison() -> None:
    job = make_job()
    assert [lose(job, is_alone=True) for _ in range(3)] == ["queued", "retrying", "dead"]
    row = fresh(job)
    assert (row.reason.split(":")[0], row.failure_count, row.loss_count, row.attempt) == ("poison", 0, 3, 3)


def test_losses_in_company_are_no_proof_of_poison() -> None:
    job = make_job()
    states = [lose(job, is_alone=is_alone) for is_alone in (False, False, True, False, True, True)]
    assert states == ["queued", *["retrying"] * 4, "dead"]


def test_an_operator_s_retry_forgets_old_losses() -> None:
    job = make_job()
    for _ in range(3):
        lose(job, is_alone=True)
    operate.revive([job.id], actor="test")
    assert [lose(job, is_alone=True) for _ in range(3)] == ["queued", "retrying", "dead"]
    assert fresh(job).attempt == 6


def test_the_number_of_losses_is_a_setting(configure: Any) -> None:
    configure(POISON_LOSSES=1)
    assert lose(make_job(), is_alone=True) == "dead"


def test_a_job_waits_longer_after_each_loss() -> None:
    assert [LOSS_BACKOFF.delay_seconds(count, 0) for count in (1, 2, 3, 4, 9)] == [1, 4, 16, 60, 60]


def test_a_single_silent_claim_was_alone() -> None:
    job = make_job()
    claim(job)
    lifecycle.lose_worker(WORKER)
    assert job.attempts.get().is_alone


def test_a_rule_for_timeouts_holds_for_killed_runs() -> None:
    job = make_job(task="tests.engine.tasks.wait_async_or_die")
    claim(job)
    lifecycle.lose_worker(WORKER, remains={job.id: left(Outcome.TIMEOUT)})
    assert fresh(job).state == "dead"


def test_settled_jobs_are_not_lost() -> None:
    job = make_job()
    lifecycle.settle([ended(claim(job))])
    assert lifecycle.lose_worker(WORKER) == 0
    assert fresh(job).state == "succeeded"
