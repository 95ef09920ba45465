"""RQ's own commands run ledger jobs and allowed plain jobs; hostile messages run nothing and stop nobody."""

import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from rq import Queue
from rq.job import Job as PlainJob
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from jobs.models import Job
from queuehub.embedded import EmbeddedServer
from tests.acceptance import tasks
from tests.acceptance.ledger import accepted_twice, all_finished
from tests.figures import Figures
from tests.journal import Journal
from tests.rq import plain_functions
from tests.support import PROJECT, Processes, Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Start = Callable[..., Running]
JOBS = 100
OURS = {
    "jobs_worker": ("jobs_worker", "--processes", "2"),
    "rqworker": ("rqworker", "default"),
    "rqworker-pool": ("rqworker-pool", "default", "--num-workers", "2"),
}


class Evil:
    """Touches a file when somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def enqueue_notes(journal: Journal, count: int) -> None:
    """Enqueue jobs one by one, each with its own message, as web requests do."""
    for number in range(count):
        tasks.note.enqueue(journal.path, f"job-{number}")


def test_a_stock_rq_worker_runs_ledger_jobs(
    command: Start, processes: Processes, valkey: EmbeddedServer, journal: Journal, figures: Figures
) -> None:
    enqueue_notes(journal, 20)
    program = str(Path(sys.executable).with_name("rq"))
    begun_at = time.monotonic()
    running = processes.start(
        program, "worker", "--url", valkey.url, "--serializer", "json", "--burst", "default",
        env={"PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert running.wait(120) == 0
    figures.add(seconds=time.monotonic() - begun_at, jobs=20)
    all_finished(1, succeeded=20)
    assert set(journal.runs().values()) == {1}
    assert len(journal.runs()) == 20
    assert accepted_twice() == 0


@pytest.mark.parametrize("name", ["rqworker", "rqworker-pool"])
def test_django_rq_s_commands_run_ledger_jobs(
    command: Start, journal: Journal, figures: Figures, name: str
) -> None:
    enqueue_notes(journal, JOBS)
    running = command("a", *OURS[name])
    all_finished(60, succeeded=JOBS)
    begun_at = time.monotonic()
    running.stop(30)
    figures.add(stop_seconds=time.monotonic() - begun_at)
    assert set(journal.runs().values()) == {1}
    assert len(journal.runs()) == JOBS
    assert accepted_twice() == 0


@pytest.mark.parametrize("name", list(OURS))
def test_an_allowed_plain_job_runs_and_hostile_messages_run_nothing(
    command: Start, journal: Journal, redis_client: redis.Redis, tmp_path: Path, figures: Figures, name: str
) -> None:
    running = command("a", *OURS[name])
    tasks.note.enqueue(journal.path, "first")
    all_finished(60, succeeded=1)
    hole = tmp_path / "hole"
    json_queue = Queue("default", connection=redis_client, serializer=JSONSerializer)
    pickle_queue = Queue("default", connection=redis_client)
    plain = json_queue.enqueue(plain_functions.add, 2, 3)
    refused = [
        json_queue.enqueue(plain_functions.write, str(hole), "x"),
        json_queue.enqueue("os.system", f"touch {hole}"),
        json_queue.enqueue("tests.rq.plain_functions.operating_system.system", f"touch {hole}"),
        pickle_queue.enqueue(plain_functions.add, 1),
        pickle_queue.enqueue(plain_functions.add, Evil(hole)),
    ]
    forge(redis_client, hole)
    for round_number in range(5):
        damage(redis_client)
        tasks.note.enqueue(journal.path, f"good-{round_number}")
        tasks.note.using(priority=10).enqueue(journal.path, f"urgent-{round_number}")
    all_finished(60, succeeded=11)
    eventually(lambda: plain.get_status() == "finished", 30, "the allowed plain job did not run")
    assert plain.return_value() == 5
    failed = FailedJobRegistry("default", redis_client)
    wanted = {job.id for job in refused}
    eventually(lambda: wanted <= set(failed.get_job_ids()), 30, "a refused job is not shown as failed")
    assert running.is_running
    assert not hole.exists()
    assert set(journal.runs().values()) == {1}
    assert len(journal.runs()) == 11
    figures.add(refused=len(wanted))


def forge(client: redis.Redis, hole: Path) -> None:
    """Send messages in the ledger's form: for no row, for a finished row, and with a body of their own."""
    finished = Job.objects.values_list("id", flat=True)[0]
    for message_id in (f"{uuid4()}-1", f"{finished}-1", f"{finished}-99"):
        body = PlainJob.create(
            "os.system", args=(f"touch {hole}",), connection=client, serializer=JSONSerializer
        )
        client.hset(f"rq:job:{message_id}", mapping={**body.to_dict(), "origin": "default"})
        client.rpush("rq:queue:default", message_id)


def damage(client: redis.Redis) -> None:
    """Put garbage onto our lists and keys of wrong types in our places."""
    client.rpush("rq:queue:default", b"\xff\xfe\x00", pickle.dumps({"a": 1}), b"", b"x" * 100_000, "nobody")
    client.delete("rq:queue:default-high")
    client.set("rq:queue:default-high", "not a list")
    client.set("rq:job:no-hash", "not a hash")
    client.rpush("rq:queue:default", "no-hash")
