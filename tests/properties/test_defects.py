"""What the random lives and races of this folder have found, as the shortest life that shows it."""

import pytest

from jobs import lifecycle
from jobs.lifecycle import operate
from jobs.models import AuditEntry, Job, Statistic
from jobs.states import Outcome
from tests.factories import WORKER, claim, ended, make_job, make_worker

pytestmark = [pytest.mark.fast, pytest.mark.django_db]


def test_a_job_that_is_named_twice_is_operated_on_once() -> None:
    job = make_job()
    report = operate.cancel([job.id, job.id], actor="test")
    assert (report.changed, report.skipped) == ([job.id], {})
    assert AuditEntry.objects.filter(action="cancel").count() == 1
    assert [row.counts for row in Statistic.objects.all()] == [{"state_cancelled": 1}]


def test_a_batch_of_which_a_part_was_recorded_before_tells_both_parts() -> None:
    make_worker()
    jobs = [make_job(), make_job(), make_job()]
    runs = [ended(run) for run in lifecycle.claim([job.id for job in jobs], worker=WORKER)]
    lifecycle.settle(runs[:1])  # one by one, as after a refusal; then the connection broke
    lifecycle.release([runs[2].job_id], runs[2].claim)
    assert lifecycle.settle(runs) == {jobs[0].id: "succeeded", jobs[1].id: "succeeded"}


def test_two_old_runs_of_one_job_in_one_batch_are_told_apart() -> None:
    job = make_job()
    first = ended(claim(job), Outcome.CANCELLED)
    lifecycle.settle([first])
    second = claim(job)
    lifecycle.release([job.id], second.claim)
    assert lifecycle.settle([first, ended(second)]) == {job.id: "queued"}
