"""C code that holds the interpreter: no exception gets in, so the pool parent kills."""

import time
from collections.abc import Callable

import pytest

from jobs.models import Attempt, Job
from tests.acceptance import tasks
from tests.acceptance.ledger import all_finished, history
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

Start = Callable[..., Running]


def test_a_busy_loop_in_c_is_killed_at_its_hard_timeout(
    pool: Start, journal: Journal, figures: Figures
) -> None:
    pool("a", "--threads", "2")
    neighbour = tasks.work.enqueue(journal.path, "neighbour", 2)
    eventually(lambda: journal.run_count() == 1, 30)
    looping = tasks.hold_the_interpreter.enqueue(journal.path, "loop")
    queued = Job.objects.enqueue_many(tasks.note, [(journal.path, f"queued-{n}") for n in range(10)])
    eventually(lambda: history(looping.id) == ["timeout"], 60, "the loop goes on")
    attempt = Attempt.objects.get(job_id=looping.id)
    all_finished(30, succeeded=1 + len(queued), dead=1)
    killed_seconds = (attempt.finished_at - attempt.started_at).total_seconds()
    figures.add(killed_after_seconds=killed_seconds, limit_seconds=1, grace_seconds=5)
    assert 6 <= killed_seconds <= 8
    row = Job.objects.get(id=looping.id)
    assert (row.state, row.failure_count, row.loss_count) == ("dead", 1, 0)
    neighbour_row = Job.objects.get(id=neighbour.id)
    assert (neighbour_row.failure_count, neighbour_row.loss_count) == (0, 0)
    assert history(neighbour.id) in (["cancelled", "success"], ["success"])
    assert not Job.objects.filter(id__in=[job.id for job in queued], failure_count__gt=0).exists()
    assert all(journal.runs()[f"queued-{n}"] == 1 for n in range(10))


def test_a_job_that_swallows_its_timeout_is_killed_too(
    pool: Start, journal: Journal, figures: Figures
) -> None:
    pool("a")
    job = tasks.refuse_to_end.using(timeout_seconds=1).enqueue(journal.path, "stubborn", 60)
    eventually(lambda: journal.run_count() == 1, 30)
    begun_at = time.monotonic()
    eventually(lambda: history(job.id) == ["timeout"], 60, "the job goes on")
    figures.add(killed_after_seconds=time.monotonic() - begun_at)
    assert Job.objects.get(id=job.id).state == "dead"
    assert journal.lines("ended") == []
