"""A pool is frozen, taken for dead, and thaws."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from jobs.models import Job, Worker
from tests.acceptance import tasks
from tests.acceptance.ledger import accepted_twice, all_finished, history
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

Start = Callable[..., Running]
FROZEN_SECONDS = 30


def test_a_pool_that_thaws_after_thirty_seconds_has_nothing_accepted_twice(
    pool: Start, scheduler: Start, journal: Journal, redis_client: redis.Redis, figures: Figures
) -> None:
    first = pool("a", processes=2)
    frozen = set(Worker.objects.living().values_list("id", flat=True))
    pids = list(Worker.objects.living().values_list("pid", flat=True))
    # long enough to be in mid-run, short enough that the thawed runs end and want to be recorded
    slow = [tasks.work.enqueue(journal.path, f"slow-{number}", 3) for number in range(2)]
    eventually(lambda: journal.run_count() == 2, 30)
    os.killpg(first.pid, signal.SIGSTOP)
    frozen_at = time.monotonic()
    quick = Job.objects.enqueue_many(tasks.note, [(journal.path, f"quick-{n}") for n in range(100)])
    second = pool("b")
    scheduler("b")
    eventually(
        lambda: all(history(job.id)[:1] == ["lost"] for job in slow), 60, "the losses were not noticed"
    )
    noticed_seconds = time.monotonic() - frozen_at
    all_finished(60, succeeded=len(slow) + len(quick))
    rescued_seconds = time.monotonic() - frozen_at
    eventually(lambda: time.monotonic() - frozen_at >= FROZEN_SECONDS, FROZEN_SECONDS + 1)
    # the workers first: they shall try to record their runs before their parent learns that they were given up;
    # one that tells Redis that it is idle has tried
    for worker_id in frozen:
        redis_client.delete(f"rq:worker:{worker_id}")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: len(journal.lines("ended")) == 4, 30, "the thawed runs did not end")
    for worker_id in frozen:
        eventually(lambda key=f"rq:worker:{worker_id}": redis_client.hget(key, "state") == b"idle", 40)
    os.killpg(first.pid, signal.SIGCONT)
    thawed_at = time.monotonic()
    second.stop(30)
    # the thawed pool has new workers, and they work
    replaced = Worker.objects.living().filter(node="a").exclude(id__in=frozen)
    eventually(lambda: replaced.count() == 2, 60, "the thawed pool did not replace its workers")
    replaced_seconds = time.monotonic() - thawed_at
    Job.objects.enqueue_many(tasks.note, [(journal.path, f"after-{n}") for n in range(20)])
    all_finished(60, succeeded=len(slow) + len(quick) + 20)
    assert noticed_seconds <= 30
    figures.add(noticed_seconds=noticed_seconds, rescued_seconds=rescued_seconds)
    figures.add(replaced_seconds=replaced_seconds)
    for job in slow:
        assert history(job.id) == ["lost", "success"]
        assert Job.objects.get(id=job.id).failure_count == 0
    assert journal.runs()["slow-0"] == journal.runs()["slow-1"] == 2
    assert all(count == 1 for key, count in journal.runs().items() if not key.startswith("slow"))
    assert accepted_twice() == 0
    assert "Traceback" not in first.output, (
        "only the ledger's constraints kept a thawed run out, not the claim"
    )
    assert set(Worker.objects.filter(id__in=frozen).values_list("state", flat=True)) == {"lost"}


@pytest.mark.parametrize("name", ["jobs_worker", "rqworker"])
def test_a_worker_that_was_given_up_takes_no_job_to_its_grave(
    pool: Start,
    command: Start,
    scheduler: Start,
    journal: Journal,
    tmp_path: Path,
    figures: Figures,
    name: str,
) -> None:
    first = command("a", name)
    given_up = eventually(lambda: Worker.objects.living().filter(node="a").first(), 60)
    watch = scheduler("b")
    os.killpg(first.pid, signal.SIGSTOP)
    eventually(lambda: Worker.objects.get(id=given_up.id).state == "lost", 60, "the silence was not noticed")
    flag = tmp_path / "flag"
    flag.touch()
    jobs = Job.objects.enqueue_many(
        tasks.wait_while, [(journal.path, f"job-{n}", str(flag)) for n in range(5)]
    )
    # under jobs_worker the parent, which would end it, stays frozen
    os.kill(given_up.pid, signal.SIGCONT)
    second = pool("b")
    eventually(lambda: journal.run_count() >= 1, 30)
    for running in (first, second, watch):
        running.kill()
    flag.unlink()
    by_dead_worker = Job.objects.filter(state="running", worker=given_up.id).count()
    pool("c")
    scheduler("c")
    begun_at = time.monotonic()
    all_finished(60, succeeded=len(jobs))
    figures.add(rescued_seconds=time.monotonic() - begun_at, claimed_by_the_lost_worker=by_dead_worker)
    assert accepted_twice() == 0
    assert not Job.objects.filter(failure_count__gt=0).exists()
