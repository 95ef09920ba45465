"""A job has succeeded, or its process has ended: Redis, hooks and exit codes must not change what is recorded."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from rq import Callback, Queue
from rq.registry import FailedJobRegistry

from jobs.models import Worker
from queuehub.embedded import EmbeddedServer
from tests.acceptance import tasks as shared_tasks
from tests.journal import BEGAN, ENDED, Journal
from tests.rq_holes import plain, tasks
from tests.rq_holes.conftest import Start
from tests.rq_holes.ledger import succeeded_once
from tests.support import eventually


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A Valkey that a test may stop."""
    with EmbeddedServer(tmp_path / "own") as server:
        yield server


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A file as long as which jobs wait."""
    path = tmp_path / "flag"
    path.touch()
    return path


# -- recording a success ------------------------------------------------------------------------------
def test_rq_calls_a_job_failed_when_redis_errs_while_its_success_is_recorded(
    stock: Start, queue: Queue, journal: Journal
) -> None:
    job = queue.enqueue(plain.note, journal.path, "job")
    strike = ("rq.worker.base:BaseWorker.handle_job_success", "before", "redis.exceptions.ConnectionError")
    assert stock("worker", "--burst", "default", strike=strike).wait() == 0
    assert journal.runs() == {"job": 1}
    assert job.get_status() == "failed"


def test_a_success_is_recorded_while_redis_refuses_every_write(
    ours: Start, journal: Journal, own_server: EmbeddedServer
) -> None:
    tasks.choke_redis.enqueue(journal.path, "first", own_server.url)
    running = ours("jobs_worker", "--processes", "1", env={"REDIS_URL": own_server.url})
    succeeded_once(journal)
    shared_tasks.note.enqueue(journal.path, "second")
    succeeded_once(journal)
    assert running.stop() == 0


def test_rq_calls_a_job_failed_when_its_success_callback_raises(stock: Start, queue: Queue, journal: Journal) -> None:
    job = queue.enqueue(plain.note, journal.path, "job", on_success=Callback(plain.raise_after_success))
    assert stock("worker", "--burst", "default").wait() == 0
    assert journal.runs() == {"job": 1}
    assert job.get_status() == "failed"


@pytest.mark.one_ledger
def test_a_listener_that_raises_changes_no_success(ours: Start, journal: Journal) -> None:
    shared_tasks.note.enqueue(journal.path, "job")
    strike = ("jobs.logs:logger.isEnabledFor", "before", "builtins.RuntimeError")
    running = ours("jobs_worker", "--processes", "1", "--burst", strike=strike, is_every_time=True)
    assert running.wait(60) == 0
    succeeded_once(journal)
    assert "RuntimeError: struck by a test" in running.output


# -- Redis goes away while a job runs -----------------------------------------------------------------
def test_rq_leaves_a_running_job_as_an_orphan_when_redis_goes_away(
    stock: Start, journal: Journal, own_server: EmbeddedServer, flag: Path
) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        Queue("default", connection=client, serializer="json").enqueue(plain.wait_while, journal.path, "job", str(flag))
    running = stock("worker", "--job-monitoring-interval", "1", "default", url=own_server.url)
    (began,) = eventually(lambda: journal.lines(BEGAN), 30)
    own_server.stop()
    running.wait(60)
    orphan = psutil.Process(began.pid)
    assert orphan.is_running()
    flag.unlink()
    eventually(lambda: journal.lines(ENDED), 10, "the orphan did not go on")
    eventually(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE, 60)


@pytest.mark.one_ledger
def test_redis_that_goes_away_while_a_job_runs_ends_nothing(
    ours: Start, journal: Journal, own_server: EmbeddedServer, flag: Path
) -> None:
    shared_tasks.wait_while.enqueue(journal.path, "job", str(flag))
    running = ours("jobs_worker", "--processes", "1", env={"REDIS_URL": own_server.url})
    eventually(lambda: journal.lines(BEGAN), 30)
    own_server.stop()
    worker = Worker.objects.living().get()
    for _ in range(2):
        seen_at = Worker.objects.get(id=worker.id).heartbeat_at
        eventually(lambda: Worker.objects.living().get().heartbeat_at > seen_at)  # noqa: B023 - called in the loop only
    flag.unlink()
    succeeded_once(journal)
    assert Worker.objects.living().get().id == worker.id
    assert running.stop() == 0


# -- a process that ends as if all were well ----------------------------------------------------------
def test_rq_notices_nothing_when_a_job_ends_its_process_with_0(
    stock: Start, queue: Queue, redis_client: redis.Redis, journal: Journal
) -> None:
    job = queue.enqueue(plain.leave, journal.path, "job")
    running = stock("worker", "--burst", "default")
    assert running.wait() == 0
    assert journal.runs() == {"job": 1}
    assert job.get_status() == "started"
    assert job.results() == []
    assert FailedJobRegistry("default", redis_client).get_job_ids() == []
    assert "terminated unexpectedly" not in running.output


@pytest.mark.one_ledger
def test_a_job_that_ends_its_process_with_0_is_lost_and_runs_again(ours: Start, journal: Journal) -> None:
    tasks.leave_once.enqueue(journal.path, "job")
    running = ours("jobs_worker", "--processes", "1", "--burst")
    assert running.wait(60) == 0
    succeeded_once(journal, runs=2, outcomes=["lost", "success"])
