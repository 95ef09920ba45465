"""Operators drain and stop pools, wherever they run."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from jobs import lifecycle
from jobs.errors import NotPermitted
from jobs.lifecycle import stopping
from jobs.models import AuditEntry, Job, Worker
from jobs.models.worker import Request
from jobs.worker.options import WorkerOptions
from jobs.worker.process import WorkerProcess, board_for
from tests import tasks
from tests.factories import fresh, make_worker
from tests.support import Running, eventually


@pytest.mark.django_db
def test_all_workers_of_a_pool_learn_of_it_with_their_heartbeat() -> None:
    for name in ("one", "two", "elsewhere"):
        make_worker(name)
    Worker.objects.filter(pk="elsewhere").update(pool="pool-2")
    assert stopping.ask(Request.DRAIN, ["one"], actor="ann", reason="new kernel").changed == ["one"]
    beats = [(name, "[]", 0) for name in ("one", "two", "elsewhere")]
    assert lifecycle.heartbeat(beats) == {"one": "drain", "two": "drain", "elsewhere": ""}
    assert stopping.ask(Request.DRAIN, ["pool-1"], actor="ann").skipped == {"pool-1": "no worker of it goes on"}
    assert stopping.ask(Request.STOP, ["pool-1"], actor="ann").changed == ["pool-1"]
    assert stopping.ask(Request.DRAIN, ["pool-1"], actor="ann").changed == []
    assert lifecycle.heartbeat(beats)["two"] == "stop"
    assert list(AuditEntry.objects.order_by("id").values_list("actor", "action", "target", "reason")) == [
        ("ann", "drain", "pool pool-1", "new kernel"), ("ann", "stop", "pool pool-1", ""),
    ]  # fmt: skip


@pytest.mark.django_db
def test_nobody_stops_a_pool_without_the_permission(operator: User, viewer: User) -> None:
    make_worker()
    with pytest.raises(NotPermitted):
        stopping.ask(Request.STOP, ["pool-1"], actor=viewer)
    assert AuditEntry.objects.get().result == "refused"
    assert stopping.ask(Request.STOP, ["pool-1"], actor=operator).changed == ["pool-1"]


@pytest.mark.fast
def test_who_drains_can_be_stopped_but_a_grace_is_not_prolonged() -> None:
    process = WorkerProcess("w", "p", WorkerOptions(), board_for(WorkerOptions()))
    process.obey(Request.DRAIN)
    assert process.settler.grace_ends_seconds == math.inf
    process.obey(Request.STOP)
    ends_seconds = process.settler.grace_ends_seconds
    assert ends_seconds < time.monotonic() + 60
    process.obey(Request.DRAIN)
    assert process.settler.grace_ends_seconds == ends_seconds


@pytest.mark.usefixtures("brisk")
def test_a_drained_pool_finishes_what_runs_and_leaves_the_rest(
    manage: Callable[..., Running], tmp_path: Path
) -> None:
    running = manage("jobs_worker", "--processes", "1", "--threads", "1")
    flag = tmp_path / "flag"
    flag.touch()
    long = Job.objects.enqueue(tasks.wait_while, str(flag))
    eventually(lambda: fresh(long).state == "running", 60)
    pool = Worker.objects.get().pool
    assert stopping.ask(Request.DRAIN, [pool], actor="ann").changed == [pool]
    eventually(lambda: Worker.objects.get().state == "stopping", 30)
    late = Job.objects.enqueue(tasks.add, 1)
    flag.unlink()
    assert running.wait(90) == 0
    assert (fresh(long).state, fresh(late).state) == ("succeeded", "queued")
    assert Worker.objects.get().state == "stopped"
