"""Real worker processes on one ledger, where only real processes can show it."""

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from jobs.lifecycle import operate
from jobs.models import Attempt, Job, Worker
from jobs.transports import get_transport
from tests import tasks
from tests.factories import fresh
from tests.support import Running, eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("brisk")]

Manage = Callable[..., Running]


@pytest.fixture(autouse=True)
def transport(settings: Any, manage: Manage) -> Any:
    """The real transport in place of the one in memory."""
    settings.QUEUEHUB = {k: v for k, v in settings.QUEUEHUB.items() if k != "TRANSPORT"}
    yield
    get_transport().close()


def states() -> dict[str, int]:
    return dict(Counter(Job.objects.values_list("state", flat=True)))


def test_two_pools_run_each_job_once(manage: Manage, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    Job.objects.enqueue_many(tasks.note, [(str(path), str(number)) for number in range(200)])
    Job.objects.enqueue_many(tasks.wait_async, [(0.01,)] * 50)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_job (task, args) VALUES ('tests.tasks.add', '[20, 22]')")
    pools = [
        manage("jobs_worker", "--burst", "--processes", "1", "--threads", "2", env={"QUEUEHUB_NODE": node})
        for node in ("north", "south")
    ]
    assert [pool.wait(60) for pool in pools] == [0, 0]
    assert states() == {"succeeded": 251}
    assert Counter(path.read_text().split()) == Counter(str(number) for number in range(200))
    assert set(Attempt.objects.values_list("number", "outcome")) == {(1, "success")}
    assert Attempt.objects.count() == 251
    assert Job.objects.get(task="tests.tasks.add").result == 42
    assert set(Worker.objects.values_list("state", flat=True)) == {"stopped"}


def test_limits_and_cancels_reach_runs_in_every_kind_of_slot(manage: Manage) -> None:
    overruns = [job.id for job in Job.objects.enqueue_many(tasks.overrun, [(), ()])]
    asleep = Job.objects.enqueue(tasks.wait_async.using(timeout_seconds=1, max_attempts=1), 60)
    pool = manage("jobs_worker", "--processes", "1", "--threads", "2")
    eventually(lambda: Job.objects.dead().count() == 3, 30, "the limits had no effect")
    outcomes = Attempt.objects.filter(job_id__in=[*overruns, asleep.id]).values_list("outcome", "exception_class")
    assert set(outcomes) == {("timeout", "jobs.errors.TaskTimeout")}
    waiting = Job.objects.enqueue(tasks.until_cancelled)
    eventually(lambda: fresh(waiting).state == "running", 20)
    operate.cancel([waiting.id], actor="test")
    eventually(lambda: fresh(waiting).state == "succeeded", 20, "the cancel request did not reach the task")
    assert fresh(waiting).result is True
    assert pool.stop() == 0


def test_a_shutdown_in_mid_job_counts_no_failure(manage: Manage) -> None:
    quick = manage("jobs_worker", "--processes", "1", "--threads", "2", env={"QUEUEHUB_NODE": "first"})
    jobs = [Job.objects.enqueue(tasks.wait, 60), Job.objects.enqueue(tasks.wait, 60)]
    jobs.append(Job.objects.enqueue(tasks.wait_async, 60))
    eventually(lambda: states().get("running") == 3, 20, "the jobs did not start")
    quick.send(signal.SIGTERM)
    assert quick.wait(30) == 0
    for job in jobs:
        row = fresh(job)
        assert (row.state, row.attempt, row.failure_count, row.loss_count) == ("queued", 1, 0, 0)
        assert job.attempts.get().outcome == "cancelled"
