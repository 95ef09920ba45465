"""The receiver: messages, or rows that no message announces, become claimed runs on the desk."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from jobs import dispatcher, lifecycle
from jobs.failpoints import Failpoints, read
from jobs.lifecycle import operate
from jobs.models import Job, Worker
from jobs.transports import Message, get_transport
from jobs.transports.memory import MemoryTransport
from jobs.worker.averages import Averages
from jobs.worker.board import Board
from jobs.worker.desk import Begun, Desk
from jobs.worker.options import WorkerOptions
from jobs.worker.receiver import Receiver, give_back
from tests.engine import tasks
from tests.factories import ADD, WORKER, claim, fresh, make_job, make_worker

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

Make = Callable[..., Receiver]


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board(1000)
    yield made
    made.close()


@pytest.fixture
def make(board: Board, configure: Any) -> Make:
    """Make the receiver of a living worker with these options."""
    make_worker()

    def receiver(**options: Any) -> Receiver:
        desk = Desk(board, thread_count=1, coroutine_count=0)
        return Receiver(desk, Averages(), WORKER, WorkerOptions(**options))

    return receiver


def publish(**columns: Any) -> Job:
    """Enqueue a job and send its message, which a test's transaction would keep back."""
    job = make_job(**columns)
    Job.objects.filter(id=job.id).update(published_at=None)
    dispatcher.top_up()
    return fresh(job)


def on_desk(receiver: Receiver) -> list[Any]:
    return [run.job_id for run in receiver.desk.take_unstarted()]


def test_messages_become_runs_and_are_acknowledged(make: Make, transport: MemoryTransport) -> None:
    jobs = [publish() for _ in range(3)]
    receiver = make()
    receiver.step()
    assert on_desk(receiver) == [job.id for job in jobs]
    assert transport.depths(["default"]) == {"default": 0}
    assert fresh(jobs[0]).worker == WORKER


def test_forged_replayed_and_outdated_messages_are_dropped(make: Make, transport: MemoryTransport) -> None:
    done, good = make_job("succeeded"), publish()
    transport.publish([Message(job_id, 1, "default") for job_id in (Job().id, done.id, good.id, good.id)])
    receiver = make()
    receiver.step()
    assert on_desk(receiver) == [good.id]
    assert transport.depths(["default"]) == {"default": 0}


def test_a_worker_that_finds_nothing_asks_the_ledger(make: Make) -> None:
    job = make_job(priority=-1)
    receiver = make()
    receiver.step()
    assert on_desk(receiver) == [job.id]


def test_a_message_that_was_lost_is_found_after_a_moment(make: Make, transport: MemoryTransport) -> None:
    job = publish()
    transport.lose_all()
    receiver = make()
    receiver.step()
    assert on_desk(receiver) == []
    Job.objects.update(published_at=Now() - timedelta(seconds=3))
    receiver._asked_seconds = 0.0
    receiver.step()
    assert on_desk(receiver) == [job.id]


@pytest.mark.lingers
@pytest.mark.parametrize("queues", [("default",), ()], ids=["named queues", "all queues"])
def test_without_its_transport_a_worker_goes_on(
    make: Make, transport: MemoryTransport, queues: tuple[str, ...]
) -> None:
    job = make_job(priority=-1)
    transport.is_down = True
    receiver = make(queues=queues)
    receiver.step()
    assert on_desk(receiver) == [job.id]


@pytest.mark.lingers
def test_without_its_transport_a_worker_starves_no_job_whose_message_it_cannot_read(
    make: Make, transport: MemoryTransport
) -> None:
    stuck = publish()
    Job.objects.update(published_at=Now() - timedelta(seconds=3))
    # more than a worker has room for
    newer = Job.objects.bulk_create([Job(task=ADD, priority=-1) for _ in range(300)])
    transport.is_down = True
    receiver = make()
    receiver.step()
    found = on_desk(receiver)
    assert stuck.id in found
    assert set(found) & {job.id for job in newer}, "what waits in the ledger goes on as well"


@pytest.mark.lingers
def test_without_its_transport_a_backlog_is_taken_without_pauses(make: Make, configure: Any) -> None:
    configure(PREFETCH_LIMIT=1)
    transport = get_transport()
    assert isinstance(transport, MemoryTransport)
    transport.is_down = True
    jobs = [make_job(priority=-1) for _ in range(30)]
    receiver = make()
    begun, found = time.monotonic(), []
    while len(found) < len(jobs):
        receiver.step()
        found += on_desk(receiver)
    assert time.monotonic() - begun < 0.1 * len(jobs) / 2


def test_named_queues_are_served_in_their_order(make: Make) -> None:
    jobs = {queue: publish(queue=queue) for queue in ("a", "b", "c")}
    receiver = make(queues=("c", "a"))
    for queue in ("c", "a"):
        receiver.step()
        assert on_desk(receiver) == [jobs[queue].id]
    receiver._asked_seconds = 0.0
    receiver.step()
    assert (on_desk(receiver), fresh(jobs["b"]).state) == ([], "queued")


def test_paused_queues_are_not_served(make: Make) -> None:
    publish(queue="mail")
    operate.pause_queue("mail", actor="test")
    receiver = make(queues=("mail",))
    receiver._asked_seconds = 0.0
    receiver.step()
    assert on_desk(receiver) == []
    assert receiver.queues() == []


def test_what_does_not_fit_goes_back_to_the_head(make: Make, transport: MemoryTransport) -> None:
    jobs = [publish() for _ in range(5)]
    receiver = make()
    receiver.averages._by_task[ADD] = 0.06  # two of them fill 100 ms
    receiver.step()
    assert on_desk(receiver) == [job.id for job in jobs[:2]]
    assert [fresh(job).state for job in jobs[2:]] == ["queued"] * 3
    assert [d.job_id for d in transport.receive(["default"], 9, 0)] == [job.id for job in jobs[2:]]


@pytest.mark.lingers
def test_a_job_that_was_lost_before_runs_alone(make: Make) -> None:
    good, suspect = publish(), publish()
    Job.objects.filter(id=suspect.id).update(loss_count=1)
    receiver = make()
    receiver.step()
    begun = receiver.desk.take_sync(0)
    assert isinstance(begun, Begun)
    assert begun.run.job_id == good.id
    receiver.step()
    assert fresh(suspect).state == "queued"
    receiver.desk.end(begun)
    receiver.desk.settled(receiver.desk.take_ended(0, 0, 1))
    receiver.step()
    assert fresh(suspect).state == "running"
    publish()
    receiver.step()
    assert on_desk(receiver) == [suspect.id]  # nothing joins it


def test_no_more_jobs_are_claimed_than_the_worker_may_run(make: Make) -> None:
    for _ in range(5):
        publish()
    receiver = make(max_jobs=2)
    receiver.step()
    assert len(on_desk(receiver)) == 2


def test_burst_ends_when_the_ledger_has_nothing_due(make: Make) -> None:
    make_job("scheduled")
    make_job(queue="other")
    receiver = make(is_burst=True, queues=("default",))
    receiver._asked_seconds = 0.0
    receiver.step()
    assert receiver.is_stopped


def test_burst_waits_for_a_delay_that_has_passed(make: Make) -> None:
    job = make_job("scheduled")
    Job.objects.update(due_at=Now() - timedelta(seconds=1))
    receiver = make(is_burst=True)
    receiver.step()
    assert (receiver.is_stopped, fresh(job).state) == (False, "queued")
    receiver._asked_seconds = 0.0
    receiver.step()
    assert on_desk(receiver) == [job.id]


def test_a_worker_that_was_given_up_receives_nothing(make: Make) -> None:
    job = publish()
    receiver = make()
    Worker.objects.update(state="lost")
    receiver.step()
    assert (on_desk(receiver), fresh(job).state) == ([], "queued")


def test_runs_that_are_given_back_can_be_claimed_at_once(make: Make, transport: MemoryTransport) -> None:
    make()
    jobs = [make_job(), make_job()]
    runs = [claim(job) for job in jobs]
    operate.cancel([jobs[1].id], actor="test")
    give_back(runs)
    assert [fresh(job).state for job in jobs] == ["queued", "cancelled"]
    assert transport.list_ids("default") == {f"{jobs[0].id}-2"}
    assert lifecycle.claim([jobs[0].id], worker=WORKER)[0].number == 1


def test_runs_that_may_have_been_given_back_do_not_come_onto_the_desk_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off = Failpoints(read("republish.moved=raise=OperationalError"))
    monkeypatch.setattr(import_module("jobs.lifecycle.release"), "reach", cut_off.reach)
    jobs = [publish() for _ in range(2)]
    receiver = make()
    receiver.averages._by_task[ADD] = 60.0
    with pytest.raises(OperationalError):
        receiver.step()
    assert on_desk(receiver) == [jobs[0].id], "only one fits"
    assert fresh(jobs[1]).worker == WORKER, "until the audit gives it back"


def test_unknown_tasks_reach_the_desk_and_not_the_import_system(make: Make) -> None:
    job = publish()
    Job.objects.update(task="os.system")
    receiver = make()
    receiver.step()
    assert on_desk(receiver) == [job.id]
    assert tasks.SEEN == []


def test_of_several_jobs_that_were_lost_one_is_kept_and_the_others_go_to_other_workers(make: Make) -> None:
    jobs = [publish() for _ in range(3)]
    Job.objects.filter(id__in=[job.id for job in jobs]).update(loss_count=1)
    receiver = make()
    receiver.step()
    assert [fresh(job).published_at is None for job in jobs].count(True) == 2
    receiver.step()
    assert len(on_desk(receiver)) == 1
