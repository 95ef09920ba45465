"""Whoever can write to Redis or to rows: a real worker runs nothing of theirs, counts it, and goes on."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import redis

from dashboards import metrics
from jobs import statistics
from jobs.definition import registry
from jobs.models import Job
from jobs.transports import get_transport
from queuehub.embedded import EmbeddedServer
from tests.conftest import LiveDatabase
from tests.journal import Journal
from tests.security import bombs, tasks
from tests.security.wire import ask
from tests.support import PROJECT, Processes, Running, eventually, free_port

pytestmark = [pytest.mark.timeout(300)]

registry.register_module(tasks)
MEGABYTE = 1024 * 1024
REPLAYS = 1000


@pytest.fixture
def hole(tmp_path: Path, processes: Processes) -> Path:
    """The file that must never appear."""
    processes.environment["QUEUEHUB_LANDMINE"] = str(tmp_path / "landmine")
    return tmp_path / "hole"


@pytest.fixture
def worker(live_database: LiveDatabase, redis_client: redis.Redis, processes: Processes, hole: Path) -> Iterator[Any]:
    """One real worker with hostile tasks."""
    processes.environment["DJANGO_SETTINGS_MODULE"] = "tests.security.hostile_settings"
    yield processes.manage("jobs_worker", "--processes", "1")
    get_transport().close()


@pytest.fixture
def web(worker: Running, processes: Processes) -> str:
    """A real web server that shows django-rq's pages to superusers."""
    port = str(free_port())
    running = processes.start(sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port)
    running.wait_for("Uvicorn running on", 60)
    return f"http://127.0.0.1:{port}"


def counted(name: str) -> int:
    """Return what the statistics say."""
    return sum(figures.counts.get(name, 0) for figures in statistics.totals().values())


def memory_bytes(running: Running) -> int:
    """Return the resident memory of a process and its children."""
    parent = psutil.Process(running.pid)
    return sum(process.memory_info().rss for process in (parent, *parent.children(recursive=True)))


def succeed(job: Job) -> None:
    """Wait for a job's success."""
    eventually(lambda: Job.objects.get(id=job.id).state == "succeeded", 90, f"{job} did not succeed")


def test_a_worker_among_hostile_messages_and_rows(
    worker: Running, web: str, redis_client: redis.Redis, tmp_path: Path, hole: Path, administrator: Any,
    valkey: EmbeddedServer, processes: Processes, session_of: Any,
) -> None:  # fmt: skip
    journal = Journal(tmp_path / "journal")
    first = Job.objects.enqueue(tasks.note, journal.path, "first")
    succeed(first)
    before_bytes = memory_bytes(worker)

    # forged, unknown and replayed messages in the ledger's own form
    forged = [f"{uuid4()}-{number}" for number in range(1, 201)]
    redis_client.rpush("rq:queue:default", *forged, *[f"{first.id}-1"] * REPLAYS, *[f"{first.id}-99"] * 10)
    eventually(lambda: counted("messages_void") >= 200 + REPLAYS + 10, 60, "void messages are not counted")

    # bombs in hashes, garbage on lists and wrong types
    ids = bombs.plant(redis_client, hole)
    littered = bombs.litter(redis_client, seed=1)
    for key in ("rq:queues", "rq:queue:default-high", "rq:workers"):
        redis_client.delete(key)
        redis_client.set(key, "not what it should be")
    redis_client.publish("queuehub:events", b"\xff" * 5 * MEGABYTE)
    succeed(Job.objects.enqueue(tasks.note, journal.path, "among-them"))
    succeed(Job.objects.enqueue(tasks.note.using(priority=5), journal.path, "urgent"))
    # the body of exactly one allowed call may run: add() of odd numbers
    eventually(lambda: counted("messages_damaged") >= len(ids) + littered - 4, 60, "damaged ones are not counted")

    # rows that somebody edited
    edited = [rewritten(name, args) for name, args in EDITED]
    for job in edited:
        eventually(lambda job=job: Job.objects.get(id=job.id).state == "dead", 60, f"{job} is not dead")
        assert "registered" in Job.objects.get(id=job.id).reason

    # looking at what is left opens nothing either
    # RQ's own programs end at a wrong type, and read and unpack all that there is of a job
    redis_client.delete("rq:workers", "rq:job:too-large", "rq:job:unpacks-to-a-gigabyte")
    session = session_of(administrator)
    look(web, session, valkey.url, ids, processes)
    succeed(Job.objects.enqueue(tasks.note, journal.path, "last"))
    assert worker.is_running
    assert "Traceback" not in worker.output
    assert all(line.startswith("20") for line in worker.output.splitlines()[1:]), "a line of the log was forged"
    assert not hole.exists()
    assert not Path(f"{tmp_path / 'landmine'}.imported").exists()
    assert not (tmp_path / "landmine.imported").exists()
    assert journal.runs() == {"first": 1, "among-them": 1, "urgent": 1, "last": 1}
    assert memory_bytes(worker) - before_bytes < 150 * MEGABYTE
    assert b'queuehub_messages_worthless_total{reason="void"}' in metrics.text(["queuehub_messages_worthless"])


EDITED: list[tuple[str, list[Any]]] = [
    ("os.system", ["touch {hole}"]),
    ("tests.security.landmine.explode", ["{hole}"]),
    ("tests.security.tasks.append", ["{hole}", "began", "x"]),
    ("tests.security.tasks.ERRORS.clear", []),
    ("builtins.eval", ["__import__('os').system('touch {hole}')"]),
    ("../../x", []),
    ("", []),
    ("\x1b[31m\r\nforged line", []),
    ("jobs.perform.perform", ["x"]),
]


def rewritten(task: str, args: list[Any]) -> Job:
    """Insert a row as whoever can write to the ledger may."""
    job = Job(task=task, args=args, payload_format="pickle")
    super(Job, job).save(force_insert=True)
    return job


def look(web: str, session: str, url: str, ids: list[str], processes: Processes) -> None:
    """Look at what was planted with RQ's own program and with django-rq's pages."""
    program = str(Path(sys.executable).with_name("rq"))
    environment = {"PYTHONPATH": str(PROJECT)}
    for options in (["info", "--url", url], ["info", "--url", url, "--by-queue"]):
        processes.start(program, *options, env=environment).wait(60)
    answers = [ask(web, f"/admin/django_rq/dashboard/queues/0/{name}", session=session) for name in LISTS]
    answers += [ask(web, f"/admin/django_rq/dashboard/queues/0/{job_id}/", session=session) for job_id in ids]
    assert any(answer.status == 200 for answer in answers), [answer.status for answer in answers]


LISTS = ["", "details/", "failed/", "finished/", "started/", "scheduled/", "deferred/", "workers/"]
