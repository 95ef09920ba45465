"""Connections to Redis and to the ledger are bounded by slots, not by jobs."""

import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from jobs.models import Job
from tests.acceptance.ledger import all_finished
from tests.conftest import foreign_connection_count
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Processes, Running, eventually, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Start = Callable[..., Running]
THREADS = 64
OWN_THREADS = 6
"""Threads of a pool that talk to the ledger beside its slots: receiver, settler, event loop, parent."""
REDIS_PER_WORKER = 6
WEB_POOL = 16


def ledger_connections(running: Running) -> int:
    """Count a process group's connections to the ledger; with SQLite, its handles on the file."""
    if connection.vendor == "postgresql":
        return foreign_connection_count()
    name = Path(connection.settings_dict["NAME"]).name
    parent = psutil.Process(running.pid)
    processes = [parent, *parent.children(recursive=True)]
    return sum(Path(file.path).name == name for process in processes for file in process.open_files())


@pytest.mark.parametrize("task_name", ["wait_while", "ask_ledger_and_wait_while"])
def test_a_pool_with_64_threads_needs_no_more_connections_than_slots(
    pool: Start, journal: Journal, redis_client: redis.Redis, tmp_path: Path, figures: Figures, task_name: str
) -> None:
    before = len(redis_client.client_list())
    running = pool("a", "--threads", str(THREADS))
    flag = tmp_path / "flag"
    flag.touch()
    calls = [(journal.path, f"job-{n}", str(flag)) for n in range(2 * THREADS)]
    Job.objects.enqueue_many(f"tests.acceptance.tasks.{task_name}", calls)
    eventually(lambda: journal.run_count() >= THREADS, 60, "the slots are not all busy")
    # one is this process's own, opened by the enqueue
    on_redis = len(redis_client.client_list()) - before - 1
    on_ledger = ledger_connections(running)
    flag.unlink()
    all_finished(60, succeeded=2 * THREADS)
    figures.add(threads=THREADS, redis_connections=on_redis, ledger_connections=on_ledger)
    assert on_redis <= REDIS_PER_WORKER
    assert on_ledger <= OWN_THREADS + (THREADS if task_name.startswith("ask_ledger") else 0)


@pytest.fixture
def website(command: Start, processes: Processes) -> tuple[Running, str]:
    """Run the ASGI application; return the process and its address."""
    port = str(free_port())
    running = processes.start(sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port)
    running.wait_for("Uvicorn running on", 60)
    return running, f"http://127.0.0.1:{port}"


def test_a_web_process_under_64_requests_at_once_stays_within_its_pool(
    website: tuple[Running, str], administrator: User, redis_client: redis.Redis, figures: Figures
) -> None:
    running, address = website
    client = Client()
    client.force_login(administrator)
    headers = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    before = len(redis_client.client_list())
    worst_ledger = worst_redis = 0

    def fetch(number: int) -> int:
        path = ("snapshot.json", "metrics", "", "admin/jobs/job/")[number % 4]
        request = urllib.request.Request(f"{address}/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [threads.submit(fetch, number) for number in range(4 * THREADS)]
        while not all(answer.done() for answer in answers):
            worst_ledger = max(worst_ledger, ledger_connections(running))
            worst_redis = max(worst_redis, len(redis_client.client_list()) - before)
    assert {answer.result() for answer in answers} == {200}
    figures.add(requests_at_once=THREADS, ledger_connections=worst_ledger, redis_connections=worst_redis)
    assert worst_redis <= WEB_POOL
    if connection.vendor == "postgresql":
        assert worst_ledger <= WEB_POOL
