"""Totals equal the ledger's rows whatever became of the jobs, and never go down."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.db.models import Count, F

from jobs import lifecycle, statistics
from jobs.lifecycle import operate
from jobs.lifecycle.due import promote_due
from jobs.models import Attempt, AuditEntry, Job, Worker
from jobs.runs import Run
from jobs.states import FINAL, JobState, Outcome
from tests.factories import claim, ended, make_job, make_worker
from tests.metrics.scraping import rising, scraped, summed, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
OTHER_QUEUE = "post"


def made(state: str = "queued") -> Job:
    return make_job(state, task=ADD, args=[1], queue="mail")


def rows_of(model: type, *names: str) -> dict[tuple[str, ...], int]:
    """Count a table's rows by these columns."""
    rows = model.objects.order_by().values_list(*names).annotate(number=Count("pk"))  # type: ignore[attr-defined]
    return {tuple(row[:-1]): row[-1] for row in rows}


def test_attempts_and_final_jobs_equal_the_rows() -> None:
    for state in ("succeeded", "succeeded", "dead", "retrying", "queued", "scheduled", "cancelled"):
        made(state)
    lifecycle.settle([ended(claim(made()), Outcome.ERROR, exception_class="ValueError", message="no")])
    families = scraped()
    by_outcome = {(ADD, *key): number for key, number in rows_of(Attempt, "outcome").items()}
    assert summed(families["queuehub_attempts_finished"], "task", "outcome") == by_outcome
    assert summed(families["queuehub_attempts_started"], "task") == {(ADD,): Attempt.objects.count()}
    finals = {key: number for key, number in rows_of(Job, "queue", "state").items() if key[1] in FINAL}
    assert summed(families["queuehub_jobs_finished"], "queue", "state") == finals
    assert value(families["queuehub_jobs_enqueued"], queue="mail", task=ADD) == Job.objects.count()
    assert value(families["queuehub_retries"], queue="mail", task=ADD, kind="automatic") == 1
    for name in ("attempt_duration_seconds", "job_wait_seconds"):
        samples = families[f"queuehub_{name}"].samples
        assert [s.value for s in samples if s.name.endswith("_count")] == [Attempt.objects.count()]
        assert [s.value for s in samples if s.labels.get("le") == "+Inf"] == [Attempt.objects.count()]


def steps(job: Job) -> Iterator[Callable[[], object]]:
    """Yield what may become of a job, by everybody who moves it."""
    ids = [job.id]
    yield lambda: operate.cancel(ids, actor="test")
    yield lambda: operate.restore(ids, actor="test")
    yield lambda: operate.move(ids, queue=OTHER_QUEUE, actor="test")
    yield lambda: lifecycle.settle([_failed_for_good(job)])
    yield lambda: operate.move(ids, queue="mail", actor="test")
    yield lambda: operate.discard(ids, actor="test")
    yield lambda: operate.restore(ids, actor="test")
    yield lambda: operate.revive(ids, actor="test")
    yield lambda: operate.move(ids, queue=OTHER_QUEUE, actor="test")
    yield lambda: operate.empty(ids, actor="test")
    yield lambda: operate.revive(ids, actor="test")
    yield lambda: claim(Job.objects.get(id=job.id), "w2")
    yield lambda: lifecycle.lose_worker("w2")
    yield lambda: lifecycle.settle([ended(claim(Job.objects.get(id=job.id)))])
    yield statistics.fold
    yield promote_due


def _failed_for_good(job: Job) -> Run:
    run = claim(Job.objects.get(id=job.id))
    run.max_attempts = 1
    return ended(run, Outcome.ERROR, exception_class="ValueError", message="no")


def test_no_step_of_a_job_lowers_a_total_and_it_was_enqueued_once() -> None:
    made("succeeded")
    job = made()
    before = rising(scraped())
    for number, step in enumerate(steps(job)):
        step()
        families = scraped()
        now = rising(families)
        assert {key: (was, now.get(key)) for key, was in before.items() if now.get(key, -1) < was} == {}, number
        enqueued = summed(families["queuehub_jobs_enqueued"], "queue")
        assert enqueued == {("mail",): 2}, (number, Job.objects.get(id=job.id).state)
        before = now
    assert Job.objects.get(id=job.id).state == JobState.SUCCEEDED
    actions = {(action, result): n for (action, result), n in rows_of(AuditEntry, "action", "result").items()}
    assert summed(families["queuehub_operator_actions"], "action", "result") == actions
    assert value(families["queuehub_retries"], queue=OTHER_QUEUE, task=ADD, kind="manual") == 1
    assert value(families["queuehub_jobs_rescued"], queue=OTHER_QUEUE, reason="worker_silent") == 1


def test_jobs_of_programs_without_django_are_counted() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_job (task, args, queue) VALUES ('tests.tasks.add', '[1]', 'mail')")
    assert summed(scraped()["queuehub_jobs_enqueued"], "queue", "task") == {("mail", ADD): 1}


def test_a_running_attempt_has_started_and_one_that_was_only_claimed_has_not() -> None:
    make_worker("w1")
    runs = [claim(made(), "w1") for _ in range(2)]
    lifecycle.heartbeat([("w1", f'[{{"job": "{runs[0].job_id}", "seconds": 90}}]', 0)])
    families = scraped()
    assert value(families["queuehub_attempts_started"], queue="mail", task=ADD) == 1
    assert 90 <= value(families["queuehub_queue_oldest_running_seconds"], queue="mail") < 150
    # it has ended, and is about to be recorded: the next heartbeat does not tell of it any more
    Worker.objects.update(runs=[])
    assert value(scraped()["queuehub_attempts_started"], queue="mail", task=ADD) == 1
    lifecycle.settle([ended(runs[0])])
    assert value(scraped()["queuehub_attempts_started"], queue="mail", task=ADD) == 1


def test_a_job_that_its_worker_claims_again_has_not_started_again_by_an_old_heartbeat() -> None:
    make_worker("w1")
    first = claim(made(), "w1")
    lifecycle.heartbeat([("w1", f'[{{"job": "{first.job_id}", "seconds": 90}}]', 0)])
    lifecycle.settle([ended(first, Outcome.ERROR)])
    Job.objects.filter(id=first.job_id, state="retrying").update(due_at=F("created_at"))
    assert promote_due() == 1
    claim(Job.objects.get(id=first.job_id), "w1")
    assert value(scraped()["queuehub_attempts_started"], queue="mail", task=ADD) == 1
