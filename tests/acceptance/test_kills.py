"""Processes die by SIGKILL in mid-job; the jobs do not."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from jobs.models import Attempt, Job, Worker
from tests.acceptance import tasks
from tests.acceptance.ledger import accepted_twice, all_finished, history
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually, is_alive

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Start = Callable[..., Running]
TASK_OF = {"good-": tasks.note.module_path, "crash": tasks.crash.module_path}


def kill_the_worker_of(job_id: object) -> float:
    """Kill the process that runs the job, and return the moment."""
    job = Job.objects.get(id=job_id)
    pid = Worker.objects.get(id=job.worker).pid
    killed_at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    return killed_at


def test_a_killed_child_is_noticed_within_a_second_and_its_job_runs_again(
    pool: Start, journal: Journal, figures: Figures
) -> None:
    pool("a", processes=2)
    detection_seconds, rerun_seconds = [], []
    for number in range(5):
        key = f"job-{number}"
        job = tasks.hang_once.enqueue(journal.path, key)
        eventually(lambda key=key: journal.runs()[key] == 1, 30)
        killed_at = kill_the_worker_of(job.id)
        eventually(lambda job=job: history(job.id)[:1] == ["lost"], 20, "the loss was not noticed")
        detection_seconds.append(time.monotonic() - killed_at)
        eventually(lambda job=job: Job.objects.get(id=job.id).state == "succeeded", 30)
        rerun_seconds.append(time.monotonic() - killed_at)
        row = Job.objects.get(id=job.id)
        assert (row.failure_count, row.loss_count, row.attempt) == (0, 1, 2)
        assert history(job.id) == ["lost", "success"]
        assert journal.runs()[key] == 2
    figures.add(
        detection_seconds_worst=max(detection_seconds),
        detection_seconds_best=min(detection_seconds),
        rerun_seconds_worst=max(rerun_seconds),
    )
    assert max(detection_seconds) <= 1.0


def test_one_crashing_job_among_99_good_ones_becomes_a_poison_pill(
    pool: Start, scheduler: Start, journal: Journal, figures: Figures
) -> None:
    pool("a")
    # the worker learns that jobs are short, and takes a hundred at once from now on
    Job.objects.enqueue_many(tasks.nothing, [()] * 100)
    all_finished(60, succeeded=100)
    begun_at = time.monotonic()
    # ids rise with the time of their making, and a batch runs in their order
    names = [*(f"good-{n}" for n in range(50)), "crash", *(f"good-{n}" for n in range(50, 99))]
    batch = [Job(task=TASK_OF[name[:5]], args=[journal.path, name]) for name in names]
    Job.objects.bulk_create(batch)
    scheduler("a")
    all_finished(90, succeeded=199, dead=1)
    seconds = time.monotonic() - begun_at
    crashing, good = batch[50], [job.id for job in batch if job is not batch[50]]
    row = Job.objects.get(id=crashing.id)
    assert (row.state, row.failure_count, row.loss_count) == ("dead", 0, 3)
    assert row.reason.startswith("poison")
    assert history(crashing.id) == ["lost", "lost", "lost"]
    assert journal.runs()["crash"] == 3
    assert not Job.objects.filter(id__in=good, loss_count__gt=0).exists()
    assert not Job.objects.filter(id__in=good, failure_count__gt=0).exists()
    assert all(1 <= journal.runs()[f"good-{n}"] <= 2 for n in range(99))
    first_claim = Attempt.objects.get(job_id=crashing.id, number=1).claim
    neighbours = Attempt.objects.filter(job_id__in=good, claim=first_claim).count()
    assert neighbours >= 1, "the crashing job did not share its batch"
    figures.add(
        seconds=seconds,
        good_jobs_begun_in_its_batch=neighbours,
        good_jobs_run_twice=sum(journal.runs()[f"good-{n}"] == 2 for n in range(99)),
    )
    assert accepted_twice() == 0


def test_the_jobs_of_a_killed_pool_are_rescued_by_another_node(
    pool: Start, scheduler: Start, journal: Journal, figures: Figures
) -> None:
    first = pool("a", processes=2)
    jobs = [tasks.hang_once.enqueue(journal.path, f"job-{number}", 120) for number in range(2)]
    eventually(lambda: journal.run_count() == 2, 30)
    pool("b")
    scheduler("b")
    eventually(lambda: Worker.objects.living().count() == 3)
    killed_at = time.monotonic()
    first.kill()
    waiting = Job.objects.enqueue_many(tasks.note, [(journal.path, f"later-{n}") for n in range(20)])
    eventually(
        lambda: all(history(job.id)[:1] == ["lost"] for job in jobs), 60, "the losses were not noticed"
    )
    noticed_seconds = time.monotonic() - killed_at
    all_finished(60, succeeded=len(jobs) + len(waiting))
    rescued_seconds = time.monotonic() - killed_at
    figures.add(noticed_seconds=noticed_seconds, rescued_seconds=rescued_seconds)
    assert rescued_seconds <= 30
    for job in jobs:
        row = Job.objects.get(id=job.id)
        assert (row.failure_count, row.loss_count) == (0, 1)
        assert history(job.id) == ["lost", "success"]
    assert {line.node for line in journal.lines() if line.key.startswith("later")} == {"b"}
    assert set(Worker.objects.filter(node="a").values_list("state", flat=True)) == {"lost"}


def test_the_jobs_of_a_killed_pool_on_the_same_node_are_rescued_at_once(
    pool: Start, scheduler: Start, journal: Journal, figures: Figures
) -> None:
    first = pool("a")
    job = tasks.hang_once.enqueue(journal.path, "job", 120)
    eventually(lambda: journal.run_count() == 1, 30)
    pool("a", processes=2)
    scheduler("a")
    killed_at = time.monotonic()
    first.kill()
    all_finished(60, succeeded=1)
    figures.add(rescued_seconds=time.monotonic() - killed_at)
    assert time.monotonic() - killed_at <= 30
    assert history(job.id) == ["lost", "success"]


def test_a_child_whose_parent_is_killed_finishes_its_job_and_ends(
    pool: Start, journal: Journal, figures: Figures
) -> None:
    running = pool("a")
    child = Worker.objects.living().get()
    job = tasks.work.enqueue(journal.path, "job", 2)
    eventually(lambda: journal.run_count() == 1, 30)
    os.kill(running.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    eventually(lambda: not is_alive(child.pid), 30, "the orphan runs on")
    figures.add(orphan_seconds=time.monotonic() - killed_at)
    assert time.monotonic() - killed_at <= 10
    assert history(job.id) == ["success"]
    assert journal.runs() == {"job": 1}
