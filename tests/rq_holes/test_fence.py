"""Frozen workers that thaw, and clocks that are wrong."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from rq import Queue, Retry
from rq.registry import StartedJobRegistry

from jobs import lifecycle
from jobs.models import Attempt, SchedulerLease, Worker
from tests.acceptance import tasks
from tests.acceptance.ledger import accepted_twice, history
from tests.factories import fresh, make_worker
from tests.journal import BEGAN, ENDED, Journal
from tests.rq_holes import plain
from tests.rq_holes.conftest import Start
from tests.support import eventually, is_alive

TWO_MINUTES_SECONDS = 120
AHEAD = {"PYTHONPATH": str(Path(__file__).with_name("clock")), "CLOCK_SHIFT_SECONDS": str(TWO_MINUTES_SECONDS)}
BEHIND = {**AHEAD, "CLOCK_SHIFT_SECONDS": str(-TWO_MINUTES_SECONDS)}

JUDGE = """
from jobs.reconciler import Reconciler
watch = Reconciler()
watch.repair_workers()
watch._watching_since -= 3600  # it has been awake for an hour
watch.repair_workers()
"""


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A file as long as which jobs wait."""
    path = tmp_path / "flag"
    path.touch()
    return path


def began(journal: Journal, count: int = 1) -> None:
    eventually(lambda: len(journal.lines(BEGAN)) >= count, 30, "the job did not begin")


# -- a frozen worker thaws ----------------------------------------------------------------------------
def test_rq_lets_a_worker_that_thaws_overwrite_the_result(
    stock: Start, queue: Queue, journal: Journal, flag: Path
) -> None:
    job = queue.enqueue(plain.wait_while, journal.path, "job", str(flag), retry=Retry(max=1))
    first = stock("worker", "--worker-class", "rq.SimpleWorker", "--max-jobs", "1", "default")
    began(journal)
    first.send(signal.SIGSTOP)
    StartedJobRegistry("default", queue.connection, serializer=queue.serializer).cleanup(time.time() + 3600)
    flag.unlink()
    second = stock("worker", "--worker-class", "rq.SimpleWorker", "--burst", "default")
    assert second.wait() == 0
    assert job.return_value(refresh=True) == f"by {second.pid}"
    first.send(signal.SIGCONT)
    assert first.wait() == 0
    assert job.return_value(refresh=True) == f"by {first.pid}"


def test_a_worker_that_thaws_overwrites_nothing(ours: Start, journal: Journal, flag: Path) -> None:
    job = tasks.wait_while.enqueue(journal.path, "job", str(flag))
    first = ours("jobs_worker", "--processes", "1")
    began(journal)
    frozen = Worker.objects.living().get()
    os.killpg(first.pid, signal.SIGSTOP)
    lifecycle.lose_worker(frozen.id)  # what a scheduler does after its silence
    flag.unlink()
    second = ours("jobs_worker", "--processes", "1", "--burst")
    assert second.wait(60) == 0
    # the parent, who would kill it, sleeps on: the run ends, and so does the worker, once it has settled what it has
    os.kill(frozen.pid, signal.SIGCONT)
    eventually(lambda: len(journal.lines(ENDED)) == 2, 30, "the thawed run did not end")
    os.kill(frozen.pid, signal.SIGTERM)
    eventually(lambda: not is_alive(frozen.pid), 30, "the thawed worker did not end")
    first.send(signal.SIGCONT)
    eventually(lambda: Worker.objects.living().exists(), 30, "it was not replaced")
    assert first.stop() == 0
    assert "Traceback" not in first.output  # the claim refused it, before the unique number of its attempt did
    assert fresh(job).state == "succeeded"
    assert history(job.id) == ["lost", "success"]
    assert Attempt.objects.get(job_id=job.id, outcome="success").worker != frozen.id
    assert accepted_twice() == 0


# -- clocks that are wrong ----------------------------------------------------------------------------
def test_rq_fails_a_healthy_job_when_another_host_is_two_minutes_ahead(
    stock: Start, queue: Queue, journal: Journal, flag: Path
) -> None:
    job = queue.enqueue(plain.wait_while, journal.path, "job", str(flag))
    healthy = stock("worker", "--max-jobs", "1", "default")
    began(journal)
    assert stock("worker", "--burst", "default", env=AHEAD).wait() == 0
    assert job.get_status() == "failed"
    assert "AbandonedJobError" in job.latest_result().exc_string
    flag.unlink()
    assert healthy.wait() == 0


def test_two_minutes_between_the_clocks_of_hosts_change_nothing(ours: Start, journal: Journal, flag: Path) -> None:
    job = tasks.wait_while.enqueue(journal.path, "job", str(flag))
    later = tasks.note.using(run_after=timezone.now() + timedelta(seconds=60)).enqueue(journal.path, "later")
    gone = make_worker("gone")
    Worker.objects.filter(id=gone.id).update(heartbeat_at=Now() - timedelta(seconds=60))
    workers = ours("jobs_worker", "--processes", "1", env={**BEHIND, "QUEUEHUB_NODE": "behind"})
    scheduler = ours("jobs_scheduler", env={**AHEAD, "QUEUEHUB_NODE": "ahead"})
    began(journal)
    assert ours("shell", "--command", JUDGE, env={**AHEAD, "QUEUEHUB_NODE": "ahead"}).wait() == 0
    assert Worker.objects.get(id=gone.id).state == "lost"
    assert Worker.objects.living().count() == 1
    eventually(lambda: SchedulerLease.objects.exists(), 30)
    flag.unlink()
    eventually(lambda: fresh(job).state == "succeeded")
    assert history(job.id) == ["success"]
    assert fresh(later).state == "scheduled"
    attempt = Attempt.objects.get()
    assert abs((attempt.finished_at - timezone.now()).total_seconds()) < 30
    assert 0 < (attempt.finished_at - attempt.started_at).total_seconds() < 30
    for running in (workers, scheduler):
        assert running.stop() == 0
