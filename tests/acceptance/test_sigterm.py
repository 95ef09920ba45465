"""SIGTERM, as every deploy sends it: no claimed job is lost, and no failure is counted."""

import time
from collections.abc import Callable

import pytest

from jobs.models import Attempt, Job, Worker
from tests.acceptance import tasks
from tests.acceptance.ledger import accepted_twice, all_finished, history, states
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Start = Callable[..., Running]


def teach_that_jobs_are_short(worker_count: int) -> int:
    """Run jobs until every worker has had some and takes many at once; return how many."""
    count = 0

    def has_reached_all() -> bool:
        nonlocal count
        Job.objects.enqueue_many(tasks.nothing, [()] * 200)
        count += 200
        all_finished(60, succeeded=count)
        return Attempt.objects.values("worker").distinct().count() == worker_count

    eventually(has_reached_all, 60, "a worker got no job")
    return count


def test_two_hundred_claimed_jobs_survive_a_sigterm(
    pool: Start, command: Start, journal: Journal, figures: Figures
) -> None:
    running = pool("a", processes=2)
    former = teach_that_jobs_are_short(2)
    Job.objects.enqueue_many(tasks.work, [(journal.path, f"job-{n}", 0.05) for n in range(400)])
    claimed_count = eventually(lambda: (found := states().get("running", 0)) >= 200 and found, 10, "never 200 claimed")
    asked_at = time.monotonic()
    assert running.stop(30) == 0
    stop_seconds = time.monotonic() - asked_at
    left = states()
    assert set(left) == {"succeeded", "queued"}, "claims were left behind"
    assert sum(left.values()) == former + 400
    figures.add(
        stop_seconds=stop_seconds, begun_before_the_stop=journal.run_count(), given_back=left["queued"]
    )
    assert journal.run_count() < claimed_count / 2, "the claimed jobs ran to their end instead of going back"
    assert set(Worker.objects.values_list("state", flat=True)) == {"stopped"}
    assert command("a", "jobs_worker", "--burst", "--processes", "2").wait(90) == 0
    all_finished(5, succeeded=former + 400)
    assert set(journal.runs().values()) == {1}
    assert len(journal.runs()) == 400
    assert accepted_twice() == 0
    assert not Job.objects.filter(failure_count__gt=0).exists()
    assert not Job.objects.filter(loss_count__gt=0).exists()
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"success"}


@pytest.mark.parametrize("task_name", ["work", "refuse_to_end"])
def test_a_job_longer_than_the_grace_goes_back_without_a_failure(
    pool: Start, journal: Journal, figures: Figures, task_name: str
) -> None:
    running = pool("a")
    job = Job.objects.enqueue(f"tests.acceptance.tasks.{task_name}", journal.path, "long", 60)
    eventually(lambda: journal.run_count() == 1, 30)
    asked_at = time.monotonic()
    running.send(15)
    running.wait(40)
    figures.add(stop_seconds=time.monotonic() - asked_at)
    row = Job.objects.get(id=job.id)
    assert (row.state, row.failure_count, row.loss_count) == ("queued", 0, 0)
    assert history(job.id) == ["cancelled"]
    assert journal.lines("ended") == []
