"""Time limits that careless code swallows, and those that C code never sees."""

from pathlib import Path

import pytest
from rq import Queue

from jobs.models import Attempt, Job
from tests.acceptance import tasks as shared_tasks
from tests.journal import ENDED, Journal
from tests.rq_holes import plain, tasks
from tests.rq_holes.conftest import Start
from tests.support import eventually


def test_rq_lets_a_job_swallow_its_timeout(stock: Start, queue: Queue, journal: Journal) -> None:
    job = queue.enqueue(plain.swallow, journal.path, "job", 1.5, job_timeout=1)
    assert stock("worker", "--burst", "default").wait() == 0
    assert len(journal.lines(ENDED)) == 1
    assert (job.get_status(), job.return_value()) == ("finished", "never noticed")


@pytest.mark.one_ledger
def test_a_job_that_swallows_its_timeout_and_one_in_c_are_killed(ours: Start, journal: Journal, tmp_path: Path) -> None:
    swallower = tasks.swallow.enqueue(journal.path, "swallows", 60)
    busy = shared_tasks.hold_the_interpreter.enqueue(journal.path, "busy")
    good = shared_tasks.note.enqueue(journal.path, "good")
    running = ours("jobs_worker", "--processes", "2")
    eventually(lambda: Job.objects.filter(state="dead").count() == 2, 30)
    eventually(lambda: Job.objects.get(id=good.id).state == "succeeded", 30)
    outcomes = Attempt.objects.filter(job_id__in=[swallower.id, busy.id]).values_list("outcome", "message")
    assert [outcome for outcome, _ in outcomes] == ["timeout", "timeout"]
    assert all("hard limit" in message for _, message in outcomes)
    assert journal.lines(ENDED) == []
    assert running.stop() == 0
