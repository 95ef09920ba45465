"""The settler: ended runs go to the ledger, and the duties between."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs import lifecycle
from jobs.errors import Interrupted, TaskTimeout
from jobs.models import Attempt, Job, Worker
from jobs.worker.board import Board
from jobs.worker.desk import Begun, Desk
from jobs.worker.settler import Settler
from tests.factories import WORKER, claim, ended, fresh, make_job, make_worker

pytestmark = [pytest.mark.fast, pytest.mark.django_db]


@pytest.fixture
def desk() -> Iterator[Desk]:
    board = Board(100)
    yield Desk(board, thread_count=2, coroutine_count=0)
    board.close()


@pytest.fixture
def settler(desk: Desk) -> Settler:
    return Settler(desk, WORKER, None, list, lambda grace_seconds: None)


@pytest.fixture
def begin(desk: Desk) -> Callable[..., Begun]:
    """Claim a new job and begin it in this thread: `begin(timeout_seconds=5)`."""

    def begin(**columns: Any) -> Begun:
        desk.put([claim(make_job(**columns))])
        begun = desk.take_sync(0)
        assert isinstance(begun, Begun)
        return begun

    return begin


def test_ended_runs_are_settled_and_leave_the_desk(desk: Desk, settler: Settler, begin: Callable[..., Begun]) -> None:
    for _ in range(3):
        begun = begin()
        ended(begun.run)
        desk.end(begun)
    settler.is_finished = True
    settler.run()
    assert Job.objects.succeeded().count() == 3
    assert desk.is_empty
    assert list(desk.board.entries()) == []
    assert Attempt.objects.exclude(pid=0).count() == 3


def test_a_run_that_settled_itself_is_not_settled_again(
    desk: Desk, settler: Settler, begin: Callable[..., Begun]
) -> None:
    begun = begin()
    lifecycle.settle([ended(begun.run)])
    desk.end(begun)
    settler.is_finished = True
    settler.run()
    assert Attempt.objects.count() == 1


def test_progress_of_running_jobs_is_written(settler: Settler, begin: Callable[..., Begun]) -> None:
    begun = begin()
    begun.context.progress(1, 2, "half")
    settler._tick()
    word = fresh(Job.objects.get()).progress
    assert (word["done"], word["total"], word["message"]) == (1, 2, "half")


def test_a_stopping_worker_gives_back_what_has_not_begun(
    desk: Desk, settler: Settler, begin: Callable[..., Begun]
) -> None:
    running, waiting = begin(), make_job()
    desk.put([claim(waiting)])
    settler.grace_ends_seconds = float("inf")
    settler._tick()
    assert fresh(waiting).state == "queued"
    assert desk.begun() == [running]
    assert Job.objects.running().count() == 1


def test_claims_whose_reply_was_lost_go_back(desk: Desk, settler: Settler, begin: Callable[..., Begun]) -> None:
    known, unknown = begin(), make_job()
    claim(unknown)
    settler._audit()
    assert fresh(unknown).state == "running"  # it may be on its way to the desk
    settler._audit()
    assert fresh(unknown).state == "queued"
    assert Job.objects.get(id=known.run.job_id).state == "running"


def test_a_run_in_a_slot_with_its_own_timer_is_left_to_it(settler: Settler, begin: Callable[..., Begun]) -> None:
    struck: list[type[BaseException]] = []
    begun = begin(timeout_seconds=1)
    begun.interrupt = struck.append
    begun.run.started_seconds = 1.0  # long ago
    settler._tick()
    assert struck == []


def test_the_end_of_the_grace_interrupts_each_run_once(settler: Settler, begin: Callable[..., Begun]) -> None:
    struck: list[type[BaseException]] = []
    begin().interrupt = struck.append
    settler.grace_ends_seconds = time.monotonic() - 0.1
    settler._tick()
    settler._tick()
    assert struck == [Interrupted]
    assert issubclass(TaskTimeout, Exception)
    assert not issubclass(Interrupted, Exception)  # tasks do not swallow it


def test_a_worker_that_stops_says_so_while_it_finishes(settler: Settler, begin: Callable[..., Begun]) -> None:
    worker = make_worker()
    begin()
    settler._tick()
    assert Worker.objects.get(id=worker.id).state == "active"
    settler.grace_ends_seconds = time.monotonic() + 10
    settler._tick()
    assert Worker.objects.get(id=worker.id).state == "stopping"
    lifecycle.leave(worker.id)
    settler._tick()
    assert Worker.objects.get(id=worker.id).state == "stopped"


def test_a_worker_that_was_given_up_stays_lost_when_it_stops(settler: Settler) -> None:
    worker = make_worker()
    lifecycle.lose_worker(worker.id)
    settler.grace_ends_seconds = time.monotonic() + 10
    settler._tick()
    assert Worker.objects.get(id=worker.id).state == "lost"
