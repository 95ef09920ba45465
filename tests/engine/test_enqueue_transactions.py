"""Enqueueing commits and rolls back with the caller's own transaction, whichever way is taken."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.db import transaction

from jobs import dispatcher, lifecycle
from jobs.errors import DuplicateJob, InvalidJob
from jobs.models import Job
from jobs.transports import get_transport
from jobs.transports.memory import MemoryTransport
from tests.engine import tasks
from tests.engine.threads import at_once
from tests.factories import ADD, claim, ended, fresh, make_job

pytestmark = pytest.mark.django_db(transaction=True)


@async_to_sync
async def awaited(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Await the call from synchronous code, on this thread's connection."""
    return await call(*args, **kwargs)


WAYS: dict[str, Callable[[int], Any]] = {
    "task.enqueue": lambda n: tasks.add.enqueue(n),
    "task.aenqueue": lambda n: awaited(tasks.add.aenqueue, n),
    "using.enqueue": lambda n: tasks.add.using(unique_key=f"key-{n}").enqueue(n),
    "objects.enqueue": lambda n: Job.objects.enqueue(tasks.add, n),
    "objects.aenqueue": lambda n: awaited(Job.objects.aenqueue, ADD, n),
    "objects.enqueue_many": lambda n: Job.objects.enqueue_many(tasks.add, [(n,)]),
    "objects.aenqueue_many": lambda n: awaited(Job.objects.aenqueue_many, tasks.add, [(n,)]),
    "objects.create": lambda n: Job.objects.create(task=ADD, args=[n]),
    "objects.acreate": lambda n: awaited(Job.objects.acreate, task=ADD, args=[n]),
    "objects.bulk_create": lambda n: Job.objects.bulk_create([Job(task=ADD, args=[n])]),
    "objects.abulk_create": lambda n: awaited(Job.objects.abulk_create, [Job(task=ADD, args=[n])]),
    "job.save": lambda n: Job(task=ADD, args=[n]).save(),
    "job.asave": lambda n: awaited(Job(task=ADD, args=[n]).asave),
}
each_way = pytest.mark.parametrize("enqueue", WAYS.values(), ids=WAYS)


class BoomError(Exception):
    """The caller's own failure."""


@contextmanager
def rolled_back() -> Iterator[None]:
    """Run the block in a transaction, or savepoint, that fails at its end."""
    with suppress(BoomError), transaction.atomic():
        yield
        raise BoomError


def arguments_in_sql() -> list[int]:
    return sorted(job.args[0] for job in Job.objects.all())


def arguments_on_transport() -> list[int]:
    transport = get_transport()
    ids = [delivery.job_id for delivery in transport.receive(["default"], 100, 0)]
    return sorted(job.args[0] for job in Job.objects.filter(id__in=ids)) if len(set(ids)) == len(ids) else [-1]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, transport: MemoryTransport) -> list[list[int]]:
    """The jobs of each batch that reaches the transport, by their first argument."""
    batches: list[list[int]] = []
    publish = transport.publish

    def note(messages: Any, **options: Any) -> Any:
        batches.append([Job.objects.get(id=message.job_id).args[0] for message in messages])
        return publish(messages, **options)

    monkeypatch.setattr(transport, "publish", note)
    return batches


@each_way
def test_outside_a_transaction_row_and_message_are_there_at_once(enqueue: Callable[[int], Any]) -> None:
    enqueue(1)
    assert arguments_in_sql() == [1]
    assert arguments_on_transport() == [1]


@each_way
def test_the_message_goes_out_after_the_commit(enqueue: Callable[[int], Any], transport: MemoryTransport) -> None:
    with transaction.atomic():
        enqueue(1)
        assert transport.queue_names() == set()
    assert arguments_in_sql() == [1]
    assert arguments_on_transport() == [1]


@each_way
def test_a_rollback_leaves_nothing(enqueue: Callable[[int], Any], transport: MemoryTransport) -> None:
    with rolled_back():
        enqueue(1)
        Group.objects.create(name="with it")
    assert arguments_in_sql() == []
    assert transport.queue_names() == set()
    assert not Group.objects.filter(name="with it").exists()


@each_way
def test_a_rolled_back_savepoint_takes_its_own_job_only(enqueue: Callable[[int], Any]) -> None:
    with transaction.atomic():
        enqueue(1)
        with rolled_back():
            enqueue(2)
        with transaction.atomic():
            enqueue(3)
    assert arguments_in_sql() == [1, 3]
    assert arguments_on_transport() == [1, 3]


def test_jobs_of_one_transaction_go_out_in_one_batch(sent: list[list[int]]) -> None:
    with transaction.atomic():
        for number in (1, 2):
            tasks.add.enqueue(number)
        with transaction.atomic():
            Job.objects.enqueue_many(tasks.add, [(3,), (4,)])
            with transaction.atomic():
                tasks.add.enqueue(5)
            with rolled_back():
                tasks.add.enqueue(6)
        with rolled_back(), transaction.atomic():
            tasks.add.enqueue(7)
        transaction.on_commit(lambda: sent.append([]))
        tasks.add.enqueue(8)
    assert sent == [[1, 2, 3, 4, 5], [], [8]]


def test_a_savepoint_s_jobs_do_not_join_those_before_it(sent: list[list[int]]) -> None:
    with transaction.atomic():
        with rolled_back():
            tasks.add.enqueue(1)
            with transaction.atomic():
                tasks.add.enqueue(2)
            tasks.add.enqueue(3)
        with transaction.atomic():
            tasks.add.enqueue(4)
        tasks.add.enqueue(5)
        with rolled_back():
            tasks.add.enqueue(6)
    assert sent == [[4, 5]]
    assert arguments_in_sql() == [4, 5]


def test_a_hook_of_the_caller_that_enqueues_is_honoured() -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: tasks.add.enqueue(7))
    assert arguments_on_transport() == [7]


def test_a_transport_that_is_down_costs_nothing_but_time(transport: MemoryTransport) -> None:
    transport.is_down = True
    jobs = Job.objects.enqueue_many(tasks.add, [(1,), (2,)])
    with transaction.atomic():
        jobs.append(Job.objects.enqueue(tasks.add, 3))
    assert {fresh(job).published_at for job in jobs} == {None}
    transport.is_down = False
    assert dispatcher.top_up() == 3
    assert arguments_on_transport() == [1, 2, 3]


def test_after_a_failure_the_transport_is_spared_for_a_moment(transport: MemoryTransport) -> None:
    transport.is_down = True
    tasks.add.enqueue(1)
    transport.is_down = False
    assert Job.objects.enqueue(tasks.add, 2).published_at is None


def test_a_refused_batch_leaves_the_caller_s_transaction_usable() -> None:
    with transaction.atomic():
        Group.objects.create(name="kept")
        with pytest.raises(InvalidJob):
            Job.objects.enqueue_many(tasks.add, [(1,), (object(),)])
        tasks.add.enqueue(2)
    assert arguments_in_sql() == [2]
    assert Group.objects.filter(name="kept").exists()


def test_a_batch_with_a_duplicate_id_writes_nothing_and_sends_nothing(transport: MemoryTransport) -> None:
    held = make_job()
    transport.lose_all()
    many = [Job(task=ADD, args=[number]) for number in range(600)]
    with pytest.raises(DuplicateJob):
        Job.objects.bulk_create([*many, Job(id=held.id, task=ADD)])
    assert Job.objects.count() == 1
    assert transport.queue_names() == set()


# -- races -----------------------------------------------------------------------------------------
def test_one_key_in_many_threads_makes_one_job() -> None:
    jobs = at_once(8, lambda number: Job.objects.enqueue(tasks.add.using(unique_key="one"), number))
    assert len({job.id for job in jobs}) == 1
    assert sorted(job.is_duplicate for job in jobs) == [False] + [True] * 7
    assert Job.objects.count() == 1


def test_batches_with_the_same_keys_in_any_order_never_deadlock() -> None:
    keys = [f"key-{number:02}" for number in range(20)]

    def enqueue(number: int) -> list[Job]:
        mine = keys[number:] + keys[:number]
        return Job.objects.bulk_create([Job(task=ADD, unique_key=key) for key in (mine if number % 2 else mine[::-1])])

    jobs = [job for batch in at_once(6, enqueue) for job in batch]
    assert Job.objects.count() == 20
    assert sum(not job.is_duplicate for job in jobs) == 20
    assert {job.id for job in jobs} == set(Job.objects.values_list("id", flat=True))


def test_a_key_that_is_set_free_meanwhile_is_taken_by_one() -> None:
    for _ in range(5):
        run = claim(make_job(unique_key="busy"))

        def work(number: int, run: Any = run) -> Any:
            if number == 0:
                return lifecycle.settle([ended(run)])
            return Job.objects.enqueue(tasks.add.using(unique_key="busy"))

        made = at_once(4, work)[1:]
        assert Job.objects.unfinished().count() <= 1
        assert len({job.id for job in made if job.id != run.job_id}) <= 1
        for job in Job.objects.unfinished():
            lifecycle.settle([ended(claim(job))])


def test_one_id_in_many_threads_is_one_job() -> None:
    job_id = Job().id

    def create(number: int) -> str:
        try:
            Job.objects.create(id=job_id, task=ADD, args=[number])
        except DuplicateJob:
            return "refused"
        return "made"

    assert sorted(at_once(5, create)) == ["made"] + ["refused"] * 4


@pytest.mark.django_db
def test_in_a_test_case_each_enqueue_has_a_hook_of_its_own(django_capture_on_commit_callbacks: Any) -> None:
    for _ in range(3):
        with transaction.atomic():
            tasks.add.enqueue(1)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        tasks.add.enqueue(2)
    assert arguments_on_transport() == [2]
