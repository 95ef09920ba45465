"""Claims: exclusive, fenced, and only of what may run."""

import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import lifecycle
from jobs.lifecycle import operate
from jobs.lifecycle.claim import new_claim
from jobs.models import Attempt, Job, Worker
from jobs.states import JobState, Outcome
from tests.engine.threads import at_once
from tests.factories import ADD, WORKER, claim, ended, fresh, make_job, make_worker

fast = pytest.mark.fast


@pytest.fixture(autouse=True)
def worker(request: pytest.FixtureRequest) -> Worker:
    """A living worker, made after the test's database is there."""
    is_live = request.node.get_closest_marker("django_db") is not None
    request.getfixturevalue("transactional_db" if is_live else "db")
    return make_worker()


@fast
def test_a_claim_takes_the_row_and_tells_the_run_all() -> None:
    job = make_job(task="tests.engine.tasks.letter", args=["a"], kwargs={"subject": "s"}, queue="mail")
    run = claim(job)
    row = fresh(job)
    assert (row.state, row.claim, row.worker, row.published_at) == ("running", run.claim, WORKER, None)
    assert row.claimed_at is not None
    assert abs(time.monotonic() + run.clock_seconds - row.claimed_at.timestamp()) < 5
    assert (run.task, run.queue, run.args, run.kwargs, run.number) == (row.task, "mail", ["a"], {"subject": "s"}, 1)
    assert (run.max_attempts, run.timeout_seconds) == (3, 11)
    assert run.created_seconds == pytest.approx(row.created_at.timestamp(), abs=0.001)


@fast
def test_each_claim_has_a_token_of_its_own() -> None:
    tokens = {new_claim() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(0 <= token < 2**63 for token in tokens)


@fast
@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.QUEUED}))
def test_only_queued_jobs_can_be_claimed(state: str) -> None:
    job = make_job(state)
    assert lifecycle.claim([job.id], worker=WORKER, is_alone=True) == []
    assert fresh(job).state == state


@fast
def test_expired_jobs_are_not_claimed() -> None:
    jobs = [make_job(expires_at=timezone.now() + timedelta(hours=1)) for _ in range(2)]
    Job.objects.filter(id=jobs[0].id).update(expires_at=Now() - timedelta(milliseconds=5))
    assert [run.job_id for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)] == [jobs[1].id]


@fast
def test_jobs_of_paused_queues_are_not_claimed() -> None:
    jobs = [make_job(queue=queue) for queue in ("paused", "open")]
    operate.pause_queue("paused", actor="test")
    ids = [job.id for job in jobs]
    assert [run.job_id for run in lifecycle.claim(ids, worker=WORKER)] == [jobs[1].id]
    Job.objects.update(published_at=None)
    assert lifecycle.claim_waiting(["paused"], 5, worker=WORKER) == []
    operate.resume_queue("paused", actor="test")
    assert [run.job_id for run in lifecycle.claim(ids, worker=WORKER)] == [jobs[0].id]


@fast
def test_a_worker_claims_from_its_queues_only() -> None:
    jobs = [make_job(queue=queue) for queue in ("a", "b", "c")]
    ids = [job.id for job in jobs]
    assert lifecycle.claim(ids, worker=WORKER, queues=[]) == []
    assert [run.job_id for run in lifecycle.claim(ids, worker=WORKER, queues=["b", "c"])] == ids[1:]
    assert [run.job_id for run in lifecycle.claim(ids, worker=WORKER, queues=None)] == ids[:1]


@fast
@pytest.mark.parametrize("state", ["lost", "stopped"])
def test_a_worker_that_was_given_up_claims_nothing(worker: Worker, state: str) -> None:
    job = make_job()
    Worker.objects.filter(id=worker.id).update(state=state)
    assert lifecycle.claim([job.id], worker=WORKER) == []
    Job.objects.update(published_at=None)
    assert lifecycle.claim_waiting(["default"], 1, worker=WORKER) == []
    assert lifecycle.claim([job.id], worker="never-enrolled") == []


@fast
def test_a_job_that_was_lost_before_is_claimed_alone() -> None:
    good, suspect = make_job(), make_job()
    Job.objects.filter(id=suspect.id).update(loss_count=1)
    ids = [good.id, suspect.id]
    assert lifecycle.suspects_among(ids) == [suspect.id]
    assert [run.job_id for run in lifecycle.claim(ids, worker=WORKER)] == [good.id]
    assert [run.job_id for run in lifecycle.claim([suspect.id], worker=WORKER, is_alone=True)] == [suspect.id]


@fast
def test_unknown_and_repeated_ids_do_no_harm() -> None:
    job = make_job()
    runs = lifecycle.claim([Job().id, job.id, job.id], worker=WORKER)
    assert [run.job_id for run in runs] == [job.id]
    assert lifecycle.claim([], worker=WORKER) == []


@fast
def test_rows_without_a_message_are_claimed_by_priority_and_age() -> None:
    made = [make_job(priority=priority, queue="q") for priority in (0, 5, 0, -5, 5)]
    Job.objects.update(published_at=None)
    assert lifecycle.waiting_queues() == ["q"]
    first = lifecycle.claim_waiting(["empty", "q"], 3, worker=WORKER)
    assert {run.job_id for run in first} == {made[1].id, made[4].id, made[0].id}
    rest = lifecycle.claim_waiting(["q"], 3, worker=WORKER)
    assert {run.job_id for run in rest} == {made[2].id, made[3].id}


@fast
def test_published_rows_are_claimed_without_a_message_only_when_stale() -> None:
    job = make_job()
    assert lifecycle.claim_waiting(["default"], 5, worker=WORKER) == []
    assert lifecycle.claim_stale(None, 5, worker=WORKER) == []
    Job.objects.update(published_at=Now() - timedelta(seconds=2))
    assert lifecycle.claim_stale(["other"], 5, worker=WORKER) == []
    assert [run.job_id for run in lifecycle.claim_stale(None, 5, worker=WORKER)] == [job.id]


# -- the fence -------------------------------------------------------------------------------------
@fast
def test_stale_worker_cannot_overwrite_a_finished_job() -> None:
    job = make_job()
    stale = claim(job)
    lifecycle.lose_worker(WORKER, remains=None)
    run = claim(job, "worker-2")
    lifecycle.settle([ended(run, result_text="2")])
    before = Job.objects.filter(id=job.id).values().get()
    assert lifecycle.settle([ended(stale, result_text='"stale"')]) == {}
    assert stale.is_settled
    assert Job.objects.filter(id=job.id).values().get() == before
    assert list(job.attempts.values_list("number", "outcome", "worker")) == [
        (1, "lost", WORKER), (2, "success", "worker-2"),
    ]  # fmt: skip


@fast
def test_stale_worker_cannot_touch_a_job_that_runs_elsewhere() -> None:
    job = make_job()
    stale = claim(job)
    lifecycle.release([job.id], stale.claim)
    present = claim(job, "worker-2")
    before = Job.objects.filter(id=job.id).values().get()
    assert lifecycle.settle([ended(stale, Outcome.ERROR)]) == {}
    assert lifecycle.release([job.id], stale.claim) == 0
    assert lifecycle.republish([job.id], stale.claim) == []
    lifecycle.record_progress({job.id: (stale.claim, {"done": 1})})
    assert Job.objects.filter(id=job.id).values().get() == before
    assert not Attempt.objects.exists()
    assert lifecycle.settle([ended(present)]) == {job.id: "succeeded"}


@fast
def test_a_batch_with_one_stale_run_settles_the_others() -> None:
    jobs = [make_job() for _ in range(3)]
    runs = lifecycle.claim([job.id for job in jobs], worker=WORKER)
    lifecycle.release([jobs[1].id], runs[1].claim)
    assert lifecycle.settle([ended(run) for run in runs]) == {jobs[0].id: "succeeded", jobs[2].id: "succeeded"}
    assert fresh(jobs[1]).state == "queued"
    assert Attempt.objects.count() == 2


# -- races -----------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_workers_that_race_for_the_same_jobs_never_share_one() -> None:
    ids = [job.id for job in Job.objects.bulk_create([Job(task=ADD) for _ in range(200)])]

    def take(number: int) -> list[object]:
        taken: list[object] = []
        mine = ids[number * 40 :] + ids[: number * 40]
        for start in range(0, len(mine), 25):
            taken += [run.job_id for run in lifecycle.claim(mine[start : start + 25], worker=WORKER)]
        return taken

    taken = Counter(job_id for batch in at_once(5, take) for job_id in batch)
    assert max(taken.values()) == 1
    # a row that another held at that moment may have been passed over; it is still there
    assert len(taken) + Job.objects.queued().count() == 200


@pytest.mark.django_db(transaction=True)
def test_workers_that_ask_the_ledger_at_once_never_share_a_job() -> None:
    Job.objects.bulk_create([Job(task=ADD, priority=-1) for _ in range(100)])

    def take(number: int) -> list[object]:
        taken: list[object] = []
        while runs := lifecycle.claim_waiting(["default"], 7, worker=WORKER):
            taken += [run.job_id for run in runs]
        return taken

    taken = Counter(job_id for batch in at_once(4, take) for job_id in batch)
    assert (len(taken), max(taken.values())) == (100, 1)


@pytest.mark.django_db(transaction=True)
def test_of_a_settlement_and_a_rescue_one_wins() -> None:
    for _ in range(8):
        Worker.objects.all().delete()
        job = make_job()
        run = ended(claim(job))
        works = [lambda run=run: lifecycle.settle([run]), lambda: lifecycle.lose_worker(WORKER, remains=None)]
        at_once(2, lambda number, works=works: works[number]())
        job = fresh(job)
        assert (job.state, job.attempts.get().outcome) in {("succeeded", "success"), ("queued", "lost")}
        assert job.attempt == 1


@pytest.mark.django_db(transaction=True)
def test_of_a_settlement_and_a_cancel_both_are_kept() -> None:
    for _ in range(8):
        job = make_job()
        run = ended(claim(job), Outcome.ERROR)
        works = [lambda run=run: lifecycle.settle([run]), lambda job=job: operate.cancel([job.id], actor="test")]
        at_once(2, lambda number, works=works: works[number]())
        assert fresh(job).state == "cancelled"
        assert job.attempts.count() == 1
