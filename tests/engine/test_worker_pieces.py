"""The pieces of a worker process by themselves: board, desk and averages."""

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from jobs.context import TaskContext
from jobs.runs import Run
from jobs.worker.averages import FIRST_BATCH, Averages
from jobs.worker.board import Board
from jobs.worker.desk import MANY, Begun, Desk
from jobs.worker.options import WorkerOptions
from jobs.worker.pool import Child, Pool
from tests.factories import ADD

pytestmark = pytest.mark.fast


def new_run(task: str = ADD, **values: Any) -> Run:
    now = time.time()
    return Run(
        job_id=uuid4(), task=task, queue="default", claim=1, worker="w", number=1, failure_count=0, loss_count=0,
        max_attempts=5, created_seconds=now, due_seconds=now, clock_seconds=now - time.monotonic(),
        **{"timeout_seconds": 0, **values},
    )  # fmt: skip


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board(8)
    yield made
    made.close()


@pytest.fixture
def desk(board: Board) -> Desk:
    return Desk(board, thread_count=1, coroutine_count=2)


def take(desk: Desk) -> Begun:
    begun = desk.take_sync(0)
    assert isinstance(begun, Begun)
    return begun


# -- board -----------------------------------------------------------------------------------------
def test_a_run_stands_on_the_board_until_it_is_settled(board: Board) -> None:
    job_id = uuid4()
    index = board.begin(job_id, limit_seconds=10, grace_seconds=5)
    (entry,) = board.entries()
    assert (entry.index, entry.job_id, entry.is_running) == (index, job_id, True)
    assert 14.9 < entry.deadline_seconds - time.monotonic() <= 15
    board.end(index)
    (entry,) = board.entries()
    assert not entry.is_running
    board.remove(index)
    assert list(board.entries()) == []
    assert (board.begun_count, board.free_count) == (1, 8)


def test_a_run_without_a_limit_has_no_deadline(board: Board) -> None:
    board.begin(uuid4(), limit_seconds=0, grace_seconds=5)
    assert next(board.entries()).deadline_seconds == 0.0


@pytest.mark.parametrize(("has_begun", "is_made_to_wait"), [(False, True), (True, False)])
def test_only_a_worker_that_dies_before_any_run_keeps_its_successor_waiting(
    board: Board, has_begun: bool, is_made_to_wait: bool
) -> None:
    pool = Pool(WorkerOptions())
    if has_begun:
        board.remove(board.begin(uuid4(), 0, 0))
    pool._take_leave(Child("w", 0, board), -9)
    assert (pool._spawn_not_before > time.monotonic()) == is_made_to_wait


def test_a_cancel_mark_is_for_one_run_only(board: Board) -> None:
    ids = [uuid4() for _ in range(3)]
    indexes = [board.begin(job_id, 0, 0) for job_id in ids]
    board.cancel(ids[1])
    board.cancel(uuid4())
    assert [board.is_cancelled(index) for index in indexes] == [False, True, False]
    board.remove(indexes[1])
    again = board.begin(uuid4(), 0, 0)
    assert not board.is_cancelled(again)


def test_places_are_used_again_for_ever(board: Board) -> None:
    for _ in range(100):
        batch = [board.begin(uuid4(), 1, 1) for _ in range(8)]
        assert board.free_count == 0
        for index in batch:
            board.end(index)
            board.remove(index)
    assert (board.free_count, board.begun_count) == (8, 800)


# -- averages --------------------------------------------------------------------------------------
def test_a_worker_that_knows_nothing_takes_a_small_batch(configure: Any) -> None:
    assert Averages().batch_size() == FIRST_BATCH
    configure(PREFETCH_LIMIT=3)
    assert Averages().batch_size() == 3


@pytest.mark.parametrize(
    ("seconds", "size"), [(0.0, 250), (0.00001, 250), (0.001, 100), (0.01, 10), (0.033, 3), (0.5, 1), (60, 1)]
)
def test_a_batch_is_what_finishes_in_the_time(seconds: float, size: int) -> None:
    averages = Averages()
    averages.learn("t", seconds, slot_count=1)
    assert averages.batch_size() == size


def test_slots_share_the_cost() -> None:
    averages = Averages()
    averages.learn("t", 0.1, slot_count=10)
    assert averages.batch_size() == 10
    assert averages.cost_seconds("t", 10) == pytest.approx(0.01)
    assert averages.cost_seconds("unknown", 10) == 0.0


def test_the_average_follows_what_runs() -> None:
    averages = Averages()
    averages.learn("t", 1.0, 1)
    for _ in range(60):
        averages.learn("t", 0.001, 1)
    assert averages.cost_seconds("t", 1) == pytest.approx(0.001, abs=0.005)


# -- desk ------------------------------------------------------------------------------------------
def test_runs_begin_in_the_order_in_which_they_came(desk: Desk) -> None:
    runs = [new_run() for _ in range(3)]
    desk.put(runs)
    assert [take(desk).run for _ in runs] == runs
    assert desk.take_sync(0) is None


def test_a_run_is_either_begun_or_can_be_given_back(desk: Desk, board: Board) -> None:
    runs = [new_run() for _ in range(4)]
    desk.put(runs)
    begun = take(desk)
    assert [entry.job_id for entry in board.entries()] == [begun.run.job_id]
    assert desk.take_unstarted() == runs[1:]
    assert desk.take_sync(0) is None
    assert desk.begun() == [begun]
    assert desk.known_ids() == {runs[0].job_id}


def test_each_run_begins_in_one_thread_only(desk: Desk) -> None:
    desk = Desk(desk.board, thread_count=4, coroutine_count=0)
    taken: list[Run] = []
    for _ in range(25):
        desk.put([new_run() for _ in range(8)])

        def work() -> None:
            while isinstance(begun := desk.take_sync(0), Begun):
                taken.append(begun.run)
                desk.end(begun)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        desk.settled(desk.take_ended(0, 0, 100))
    assert len({run.job_id for run in taken}) == len(taken) == 200
    assert desk.is_empty


def test_coroutines_have_slots_of_their_own(desk: Desk) -> None:
    woken: list[int] = []
    desk.on_async = lambda: woken.append(1)
    runs = [new_run("tests.engine.tasks.add_async") for _ in range(3)]
    desk.put([new_run(), *runs])
    assert woken == [1]
    first, second = desk.take_async(), desk.take_async()
    assert first is not None
    assert second is not None
    assert desk.take_async() is None
    desk.end(first)
    third = desk.take_async()
    assert third is not None
    assert [first.run, second.run, third.run] == runs
    assert third.thread_id == 0
    assert take(desk).thread_id == threading.get_ident()


def test_without_coroutines_asynchronous_runs_go_to_threads(board: Board) -> None:
    desk = Desk(board, thread_count=1, coroutine_count=0)
    desk.put([new_run("tests.engine.tasks.add_async")])
    assert take(desk).run.task == "tests.engine.tasks.add_async"


def test_the_context_shows_the_cancel_mark(desk: Desk, board: Board) -> None:
    desk.put([new_run()])
    begun = take(desk)
    assert isinstance(begun.context, TaskContext)
    assert not begun.context.cancelled
    board.cancel(begun.run.job_id)
    assert begun.context.cancelled


def test_ended_runs_are_known_until_they_are_settled(desk: Desk, board: Board) -> None:
    desk.put([new_run()])
    begun = take(desk)
    desk.end(begun)
    assert desk.begun() == []
    assert not desk.is_empty
    batch = desk.take_ended(0, 0, 10)
    assert batch == [begun]
    assert desk.known_ids() == {begun.run.job_id}
    assert not desk.is_empty
    desk.settled(batch)
    assert (desk.is_empty, desk.known_ids(), list(board.entries())) == (True, set(), [])


def test_a_lone_ended_run_is_settled_at_once(desk: Desk) -> None:
    desk.put([new_run()])
    desk.end(take(desk))
    started = time.monotonic()
    assert len(desk.take_ended(5, 5, 10)) == 1
    assert time.monotonic() - started < 1


def test_ended_runs_wait_a_moment_for_company(desk: Desk) -> None:
    desk.put([new_run(), new_run()])
    desk.end(take(desk))
    waiting = threading.Timer(0.05, lambda: desk.end(take(desk)))
    waiting.start()
    assert len(desk.take_ended(5, 5, 10)) == 2
    waiting.join()


def test_no_more_is_received_than_the_slots_have_use_for(desk: Desk) -> None:
    assert desk.room(False, 5) == 5
    desk.put([new_run(), new_run()])
    assert desk.room(True, 5) == 0
    take(desk)
    take(desk)
    desk._moved_seconds -= 1  # the last of them runs for a second already
    assert desk.room(False, 5) == 0
    assert desk.room(True, 5) == 2  # for the coroutines


@pytest.mark.parametrize(("count", "left"), [(MANY, MANY // 2), (MANY - 1, 0)])
def test_while_many_short_jobs_run_the_next_batch_is_fetched(count: int, left: int) -> None:
    board = Board(3 * MANY)
    desk = Desk(board, thread_count=1, coroutine_count=0)
    desk.put([new_run() for _ in range(count)])
    while not desk.room(False, 7):
        desk.end(take(desk))
    assert len(desk.take_unstarted()) == left
    board.close()


def test_ended_runs_that_pile_up_stop_the_receiver(desk: Desk) -> None:
    desk.put([new_run() for _ in range(5)])
    for _ in range(5):
        desk.end(take(desk))
    assert desk.room(False, 3) == 3
    assert desk.room(False, 4) == 0


def test_a_long_run_keeps_nobody_hostage(desk: Desk, configure: Any) -> None:
    configure(RELEASE_AFTER_MILLISECONDS=200)
    runs = [new_run() for _ in range(3)]
    desk.put(runs)
    take(desk)
    assert desk.take_hostages() == []
    desk._moved_seconds -= 0.3
    assert desk.take_hostages() == runs[1:]
    assert desk.take_hostages() == []
    assert desk.room(True, 5) == 0  # it would only take hostages again


def test_plain_work_is_taken_by_a_thread(desk: Desk) -> None:
    done: list[int] = []
    desk.put_plain(lambda: done.append(1))
    assert not desk.is_empty
    call = desk.take_sync(0)
    assert callable(call)
    call()
    assert done == [1]
    assert desk.is_empty
