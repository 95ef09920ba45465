"""Repairs: who counts as lost and when, and which messages go out again."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from jobs import dispatcher
from jobs.conf import get_settings
from jobs.errors import TransportUnavailable
from jobs.host import host_identity, is_same_process, process_started_at
from jobs.models import Attempt, Job, Worker
from jobs.reconciler import Reconciler, delete_old_workers, repair_messages
from jobs.transports import Message
from jobs.transports.memory import MemoryTransport
from tests.support import eventually
from tests.time.conftest import Clock, ago, watch

AddJob = Callable[..., Job]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]


def add_worker(name: str = "w", **columns: Any) -> Worker:
    values = {"pool": "p", "node": "elsewhere", "host": "elsewhere", "pid": 1}
    return Worker.objects.create(id=name, **{**values, **columns})


def test_a_silent_worker_is_lost_and_its_jobs_go_on(add_job: AddJob, clock: Clock) -> None:
    add_worker("silent", heartbeat_at=ago(60))
    add_worker("living")
    job = add_job("running", worker="silent")
    other = add_job("running", worker="living", claim=2)
    assert watch(Reconciler(), clock, 20) == 1
    assert dict(Worker.objects.values_list("id", "state")) == {"silent": "lost", "living": "active"}
    job.refresh_from_db()
    other.refresh_from_db()
    assert (job.state in {"queued", "retrying"}, job.loss_count, job.failure_count) == (True, 1, 0)
    assert Attempt.objects.get().outcome == "lost"
    assert other.state == "running"


def test_silence_counts_only_from_when_the_reconciler_itself_was_there(clock: Clock) -> None:
    add_worker(heartbeat_at=ago(3600))
    watcher = Reconciler()
    assert watch(watcher, clock, 14) == 0
    assert watch(watcher, clock, 4) == 1


def test_a_reconciler_that_was_frozen_starts_its_watch_anew(clock: Clock) -> None:
    watcher = Reconciler()
    watch(watcher, clock, 60)
    add_worker(heartbeat_at=ago(3600))
    clock.seconds += 60  # frozen, or the database was away: the workers could not say anything either
    assert watch(watcher, clock, 12) == 0
    assert watch(watcher, clock, 6) == 1


def test_a_dead_process_on_this_host_is_found_without_waiting(add_job: AddJob) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = {"node": get_settings().node, "host": host_identity()}
    add_worker("child", pid=process.pid, pid_started_at=process_started_at(process.pid), **here)
    add_worker("me", pid=os.getpid(), pid_started_at=process_started_at(os.getpid()), **here)
    add_worker("foreign", pid=process.pid, pid_started_at=1)
    add_worker("other-node", pid=process.pid, pid_started_at=1, **{**here, "node": "b"})
    watcher = Reconciler()
    assert watcher.repair_workers() == 0
    process.kill()
    process.communicate()
    assert watcher.repair_workers() == 0  # its pool parent comes first
    assert watcher.repair_workers() == 1
    assert list(Worker.objects.filter(state="lost").values_list("id", flat=True)) == ["child"]


def test_a_pid_that_another_process_has_now_is_a_dead_process() -> None:
    add_worker(node=get_settings().node, host=host_identity(), pid=os.getpid(), pid_started_at=1)
    watcher = Reconciler()
    assert [watcher.repair_workers(), watcher.repair_workers()] == [0, 1]


def test_a_zombie_is_a_dead_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    started_at = process_started_at(process.pid) or 0
    assert is_same_process(os.getpid(), process_started_at(os.getpid()) or 0)
    eventually(lambda: not is_same_process(process.pid, started_at))
    process.wait()


@pytest.mark.parametrize("state", ["lost", "stopped"])
def test_jobs_that_an_ended_worker_still_holds_go_on(add_job: AddJob, clock: Clock, state: str) -> None:
    add_worker("ended", state=state, ended_at=timezone.now())
    job = add_job("running", worker="ended")
    watcher = Reconciler()
    assert watcher.repair_workers() == 0  # it may be on its way back by whoever ended the worker
    assert watcher.repair_workers() == 1
    job.refresh_from_db()
    assert job.state in {"queued", "retrying"}


def test_jobs_of_a_worker_that_has_no_row_go_on(add_job: AddJob, clock: Clock) -> None:
    job = add_job("running", worker="nobody")
    watcher = Reconciler()
    watcher.repair_workers()
    watcher.repair_workers()
    job.refresh_from_db()
    assert job.state in {"queued", "retrying"}


def test_old_rows_of_ended_workers_are_deleted() -> None:
    for state in ("active", "stopping", "stopped", "lost"):
        for name, seconds in (("old", 90_000), ("new", 10)):
            add_worker(f"{state}-{name}", state=state, ended_at=ago(seconds), heartbeat_at=ago(seconds))
    assert delete_old_workers() == 2
    assert not Worker.objects.filter(id__in=["stopped-old", "lost-old"]).exists()


# -- messages --------------------------------------------------------------------------------------
def published(add_job: AddJob, seconds: float = 10, **columns: Any) -> Job:
    return add_job("queued", **{"published_at": ago(seconds), "publish_seq": 1, **columns})


def send(transport: MemoryTransport, *jobs: Job) -> None:
    transport.publish([Message(job.id, job.publish_seq, job.queue) for job in jobs])


def test_lost_messages_go_out_again(add_job: AddJob, memory_transport: MemoryTransport) -> None:
    jobs = [published(add_job, queue=queue) for queue in ("a", "a", "b")]
    send(memory_transport, *jobs)
    assert repair_messages() == 0
    memory_transport.lose_all()
    assert repair_messages() == 3
    assert dispatcher.top_up() == 3
    assert memory_transport.depths(["a", "b"]) == {"a": 2, "b": 1}
    assert set(Job.objects.values_list("publish_seq", flat=True)) == {2}


def test_only_the_missing_ones_go_out_again(add_job: AddJob, memory_transport: MemoryTransport) -> None:
    there, missing = published(add_job), published(add_job)
    send(memory_transport, there)
    assert repair_messages() == 1
    missing.refresh_from_db()
    there.refresh_from_db()
    assert missing.published_at is None
    assert there.published_at is not None


def test_a_young_message_may_still_be_on_its_way(add_job: AddJob) -> None:
    published(add_job, seconds=1)
    assert repair_messages() == 0


def test_a_message_of_an_older_publication_does_not_count(add_job: AddJob, memory_transport: MemoryTransport) -> None:
    job = published(add_job)
    send(memory_transport, job)
    Job.objects.update(publish_seq=2)
    assert repair_messages() == 1


def test_messages_that_no_row_wants_are_left_alone(add_job: AddJob, memory_transport: MemoryTransport) -> None:
    send(memory_transport, add_job("succeeded"))
    published(add_job)
    repair_messages()
    assert memory_transport.depths(["default"]) == {"default": 1}


def test_what_the_broker_keeps_of_missing_messages_is_forgotten(
    add_job: AddJob, memory_transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    monkeypatch.setattr(memory_transport, "forget", forgotten.extend)
    job = published(add_job)
    repair_messages()
    assert forgotten == [f"{job.id}-1"]


def test_a_transport_that_is_away_is_an_error_and_changes_nothing(
    add_job: AddJob, memory_transport: MemoryTransport
) -> None:
    job = published(add_job)
    memory_transport.is_down = True
    with pytest.raises(TransportUnavailable):
        repair_messages()
    job.refresh_from_db()
    assert job.published_at is not None


def test_a_transport_that_cannot_list_is_judged_by_its_depth_and_the_age(
    add_job: AddJob, memory_transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(memory_transport), "can_list", False)
    old, older, young = published(add_job, 60), published(add_job, 90), published(add_job, 10)
    send(memory_transport, old, young)
    assert repair_messages() == 1
    unpublished = Job.objects.get(published_at__isnull=True)
    assert unpublished == older
    assert repair_messages() == 0


def test_nothing_to_repair_asks_the_transport_nothing(memory_transport: MemoryTransport) -> None:
    memory_transport.is_down = True
    assert repair_messages() == 0


def test_now_is_the_databases(add_job: AddJob) -> None:
    job = published(add_job, published_at=timezone.now())
    assert repair_messages() == 0
    job.refresh_from_db()
    assert job.published_at is not None
