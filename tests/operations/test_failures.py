"""A failed attempt gets the name of its failure when it is settled; what succeeds pays nothing for that."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import lifecycle
from jobs.fingerprints import fingerprint_of
from jobs.lifecycle import operate
from jobs.models import Attempt, Failure
from jobs.states import Outcome
from tests.engine.runs import finished
from tests.factories import claim, ended, fresh, make_job
from tests.operations import tasks

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

PLACE = "tests/operations/tasks.py: chatter"


def test_a_failure_is_named_by_class_message_and_place() -> None:
    jobs = [finished(tasks.chatter, lines=lines, fails=True) for lines in (1, 2)]
    name = fingerprint_of("ValueError", "enough of 1", PLACE)
    assert [job.fingerprint for job in jobs] == [name, name]
    assert [attempt.fingerprint for attempt in Attempt.objects.all()] == [name, name]
    note = Failure.objects.get(job_id=jobs[0].id)
    attempt = jobs[0].attempts.get()
    assert (note.fingerprint, note.exception_class, note.message) == (name, "ValueError", "enough of 1")
    assert (note.frame, note.task, note.failed_at) == (PLACE, jobs[0].task, attempt.finished_at)


@pytest.mark.parametrize("outcome", sorted(Outcome))
def test_only_what_failed_has_a_name(outcome: Outcome) -> None:
    job = make_job()
    lifecycle.settle([ended(claim(job), outcome, message="word")])
    has_failed = outcome in {"error", "timeout", "lost"}
    assert (Attempt.objects.get().fingerprint is not None) == has_failed == (fresh(job).fingerprint is not None)
    assert Failure.objects.count() == has_failed
    if has_failed:  # no traceback tells a place: the task stands for it
        assert Failure.objects.get().frame == job.task


def test_a_batch_of_all_kinds_is_settled_row_by_row_as_each_ended() -> None:
    jobs = [make_job() for _ in range(4)]
    runs = [claim(job) for job in jobs]
    for number, run in enumerate(runs):
        ended(run, Outcome.ERROR if number % 2 else Outcome.SUCCESS, exception_class="E", message=f"m{number}!")
    lifecycle.settle(runs)
    assert [fresh(job).fingerprint is not None for job in jobs] == [False, True, False, True]
    assert {note.job_id for note in Failure.objects.all()} == {jobs[1].id, jobs[3].id}


def test_a_later_success_keeps_the_name_of_the_last_failure() -> None:
    job = make_job("dead")
    operate.revive([job.id], actor="test")
    lifecycle.settle([ended(claim(job))])
    assert (fresh(job).state, fresh(job).fingerprint) == ("succeeded", job.fingerprint)
    assert job.fingerprint is not None


@pytest.mark.django_db(transaction=True)  # outside a transaction, where PostgreSQL settles with one statement
@pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.ERROR])
def test_failures_cost_what_succeeds_nothing(outcome: Outcome) -> None:
    runs = [claim(make_job()) for _ in range(3)]
    for run in runs:
        ended(run, outcome, message="word")
    with CaptureQueriesContext(connection) as queries:
        lifecycle.settle(runs)
    text = " ".join(query["sql"] for query in queries)
    assert ("fingerprint" in text, "jobs_failure" in text) == (outcome is Outcome.ERROR, outcome is Outcome.ERROR)
    assert "<<" not in text
    if connection.vendor == "postgresql":
        assert len([query for query in queries if "jobs_attempt" in query["sql"]]) == 1
    assert Failure.objects.count() == (3 if outcome is Outcome.ERROR else 0)


def test_what_cannot_be_stored_is_a_failure_with_a_name_too() -> None:
    job = make_job(max_attempts=1)
    lifecycle.settle([ended(claim(job), result_text="no json")])
    assert Attempt.objects.get().message == "the result or traceback could not be stored"
    assert fresh(job).fingerprint == Attempt.objects.get().fingerprint is not None
