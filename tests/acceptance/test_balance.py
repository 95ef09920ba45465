"""Load is shared by nodes, and every web process shows the same truth."""

import json
import re
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from websockets.sync.client import ClientConnection, connect

from jobs.models import Attempt, Job, Worker
from tests.acceptance import tasks
from tests.acceptance.ledger import all_finished
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Processes, Running, eventually, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Start = Callable[..., Running]
JOBS = 2000


def test_two_nodes_share_two_thousand_jobs(
    pool: Start, scheduler: Start, journal: Journal, figures: Figures
) -> None:
    pool("a")
    pool("b")
    scheduler("a")
    begun_at = time.monotonic()
    Job.objects.enqueue_many(tasks.work, [(journal.path, f"job-{n}", 0.003) for n in range(JOBS)])
    all_finished(120, succeeded=JOBS)
    seconds = time.monotonic() - begun_at
    ran = Counter(line.node for line in journal.lines())
    nodes = dict(Worker.objects.values_list("id", "node"))
    recorded = Counter(nodes[worker] for worker in Attempt.objects.values_list("worker", flat=True))
    share = ran["a"] / JOBS
    figures.add(share_of_a=share, share_of_b=ran["b"] / JOBS, jobs_per_second=JOBS / seconds)
    assert ran == recorded
    assert set(journal.runs().values()) == {1}
    assert 0.4 <= share <= 0.6


@pytest.fixture
def websites(command: Start, processes: Processes, administrator: User) -> list[str]:
    """Run the ASGI application in two processes; return their addresses, "127.0.0.1:…"."""
    addresses, started = [], []
    for _ in range(2):
        port = str(free_port())
        addresses.append(f"127.0.0.1:{port}")
        started.append(
            processes.start(sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port)
        )
    for running in started:
        running.wait_for("Uvicorn running on", 60)
    return addresses


def text_of(address: str, path: str, cookie: str) -> str:
    """Fetch a page."""
    request = urllib.request.Request(f"http://{address}/{path}", headers={"Cookie": cookie})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())


def counts(snapshot: str) -> dict[str, Any]:
    """Return what a snapshot counts, without what changes each moment."""
    content = json.loads(snapshot)
    totals = {name: value for name, value in content["totals"].items() if not name.startswith(("finished", "busy"))}
    queues = {
        queue["name"]: {name: queue[name] for name in ("queued", "scheduled", "running", "retrying")}
        for queue in content["queues"]
    }
    return {"totals": totals, "queues": queues, "workers": content["health"]["workers"]["count"]}


def engine_metrics(text: str) -> list[str]:
    """Return the samples that count jobs."""
    return sorted(re.findall(r"^(?:queuehub_)?(?:jobs_finished_total|queue_jobs)\{.*$", text, re.MULTILINE))


def seconds_until(socket: ClientConnection, wanted: int, begun_at: float) -> float:
    """Read snapshots until one counts `wanted` queued jobs, and return the seconds since `begun_at`."""
    while time.monotonic() - begun_at < 30:
        if json.loads(socket.recv(timeout=30))["totals"]["queued"] == wanted:
            return time.monotonic() - begun_at
    raise AssertionError(f"no snapshot with {wanted} queued jobs")


def test_two_web_processes_show_the_same_counts(
    websites: list[str], pool: Start, journal: Journal, administrator: User, figures: Figures
) -> None:
    pool("a", "default")
    Job.objects.enqueue_many(tasks.note, [(journal.path, f"good-{n}") for n in range(50)])
    Job.objects.enqueue_many(tasks.fail, [(journal.path, f"bad-{n}") for n in range(7)])
    later = tasks.note.using(run_after=timezone.now() + timedelta(hours=1))
    Job.objects.enqueue_many(later, [(journal.path, f"later-{n}") for n in range(11)])
    idle = tasks.note.using(queue_name="idle")
    Job.objects.enqueue_many(idle, [(journal.path, f"idle-{n}") for n in range(30)])
    all_finished(60, succeeded=50, dead=7, scheduled=11, queued=30)
    client = Client()
    client.force_login(administrator)
    cookie = f"sessionid={client.cookies['sessionid'].value}"

    first, second = (
        eventually(lambda a=address: counts(text_of(a, "snapshot.json", cookie)), 20) for address in websites
    )
    assert first == second
    assert {name: first["totals"][name] for name in ("dead", "scheduled", "queued", "running")} == {
        "dead": 7,
        "scheduled": 11,
        "queued": 30,
        "running": 0,
    }
    assert first["queues"]["idle"]["queued"] == 30
    one, other = (engine_metrics(text_of(address, "metrics", cookie)) for address in websites)
    assert one == other
    assert len(one) >= 4

    headers = {"Cookie": cookie}
    with (
        connect(
            f"ws://{websites[0]}/ws/live/", additional_headers=headers, origin=f"http://{websites[0]}"
        ) as left,
        connect(
            f"ws://{websites[1]}/ws/live/", additional_headers=headers, origin=f"http://{websites[1]}"
        ) as right,
    ):
        begun_at = time.monotonic()
        Job.objects.enqueue_many(idle, [(journal.path, f"more-{n}") for n in range(12)])
        figures.add(
            seconds_until_both_show_it=max(seconds_until(each, 42, begun_at) for each in (left, right))
        )
