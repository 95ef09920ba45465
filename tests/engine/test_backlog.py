"""A backlog beyond the window: workers take it straight from the ledger, in turn with the messages."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from jobs import dispatcher, lifecycle
from jobs.models import Job, Queue
from jobs.worker.averages import Averages
from jobs.worker.backlog import LOOK_SECONDS, Backlog
from jobs.worker.board import Board
from jobs.worker.desk import Desk
from jobs.worker.options import WorkerOptions
from jobs.worker.receiver import Receiver
from tests.factories import WORKER, make_job, make_worker

pytestmark = pytest.mark.django_db

BATCH = 10
"""What a worker takes that knows nothing of its tasks."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    make_worker()
    board = Board(1000)
    yield Receiver(Desk(board, thread_count=1, coroutine_count=0), Averages(), WORKER, WorkerOptions())
    board.close()


def unpublished(count: int, **columns: Any) -> list[UUID]:
    ids = [make_job(**columns).id for _ in range(count)]
    Job.objects.filter(id__in=ids).update(published_at=None)
    return ids


def published(count: int, **columns: Any) -> list[UUID]:
    ids = unpublished(count, **columns)
    assert dispatcher.top_up() == count
    return ids


def batch(receiver: Receiver) -> list[UUID]:
    receiver.step()
    return [run.job_id for run in receiver.desk.take_unstarted()]


def test_behind_its_last_message_a_worker_takes_the_backlog_without_waiting(receiver: Receiver) -> None:
    messages, rows = published(BATCH), unpublished(2 * BATCH + 1)
    begun = time.monotonic()
    batches = [batch(receiver) for _ in range(4)]
    assert time.monotonic() - begun < 0.5  # where it waits for a message it does so for a second
    assert batches == [messages, rows[:BATCH], rows[BATCH : 2 * BATCH], rows[2 * BATCH :]]


def test_neither_messages_nor_the_backlog_starve_each_other(receiver: Receiver) -> None:
    messages, rows = published(3 * BATCH), unpublished(3 * BATCH)
    receiver.backlog._looked_seconds = time.monotonic() - LOOK_SECONDS - 1  # it has not looked for long
    batches = [batch(receiver) for _ in range(6)]
    assert batches == [part for pair in zip(by_batches(messages), by_batches(rows), strict=True) for part in pair]


def test_a_backlog_of_low_priority_waits_for_the_last_message(receiver: Receiver) -> None:
    messages, rows = published(3 * BATCH), unpublished(BATCH, priority=-1)
    receiver.backlog._looked_seconds = time.monotonic() - LOOK_SECONDS - 1
    assert [batch(receiver) for _ in range(4)] == [*by_batches(messages), rows]


def by_batches(ids: list[UUID]) -> list[list[UUID]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


# -- in what order ---------------------------------------------------------------------------------
Make = Callable[..., Backlog]


@pytest.fixture
def backlog() -> Make:
    make_worker()
    return lambda *queues: Backlog(WORKER, queues)


def claimed(backlog: Backlog, limit: int, **options: Any) -> list[UUID]:
    return [run.job_id for run in backlog.claim(limit, options.pop("paused", ()), **options)]


def test_a_better_job_behind_a_backlog_is_found_at_the_next_look(backlog: Make) -> None:
    rows, worker = unpublished(8), backlog()
    assert claimed(worker, 2) == rows[:2]
    (better,) = unpublished(1, priority=5)
    assert claimed(worker, 2) == rows[2:4]  # it goes on where it was
    worker._looked_seconds -= LOOK_SECONDS + 1
    assert claimed(worker, 2) == [rows[4], better]  # by id: one batch
    assert claimed(worker, 9) == rows[5:]


def test_a_job_that_came_back_before_the_place_is_found_when_the_rest_is_done(backlog: Make) -> None:
    rows, worker = unpublished(4), backlog()
    runs = worker.claim(2, ())
    lifecycle.release([runs[0].job_id], runs[0].claim)
    assert claimed(worker, 2) == rows[2:]
    assert claimed(worker, 2) == rows[:1]


def test_backlogs_take_turns_unless_queues_are_named(backlog: Make) -> None:
    rows = {queue: unpublished(6, queue=queue) for queue in ("a", "b", "c")}
    worker, found = backlog(), []
    for _ in range(3):
        found += claimed(worker, 2)
        worker._looked_seconds -= LOOK_SECONDS + 1
    assert sorted(found) == sorted(rows["a"][:2] + rows["b"][:2] + rows["c"][:2])
    worker, found = backlog("c", "a"), []
    while ids := claimed(worker, 2):
        found += ids
    assert found == rows["c"][2:] + rows["a"][2:]


def test_paused_queues_are_not_even_looked_at(backlog: Make, django_assert_num_queries: Any) -> None:
    unpublished(1, queue="a")
    worker = backlog()
    with django_assert_num_queries(1):
        assert claimed(worker, 2, paused={"a"}) == []
    Queue.objects.create(name="a", paused_at=Job.objects.get().created_at)
    assert claimed(worker, 2) == []


# -- what the leader sends -------------------------------------------------------------------------
def test_of_a_backlog_only_a_part_is_sent_and_what_is_urgent(configure: Any) -> None:
    configure(WINDOW_MESSAGES=230, PREFETCH_LIMIT=100)
    count = dispatcher.TOPPED_UP_MESSAGES
    unpublished(count + 5)
    assert (dispatcher.top_up(), dispatcher.top_up()) == (count, 0)
    urgent = unpublished(40, priority=1)
    assert dispatcher.top_up() == 30  # as far as the window has room
    assert Job.objects.filter(id__in=urgent, published_at=None).count() == 10
