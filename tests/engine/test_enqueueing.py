"""The front door: what each way to enqueue writes, and what it refuses."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from jobs import dispatcher
from jobs.definition import registry
from jobs.errors import DuplicateJob, InvalidJob, UnknownTask
from jobs.models import Job
from jobs.transports import get_transport
from jobs.transports.memory import MemoryTransport
from tests.engine import tasks
from tests.factories import ADD, fresh, make_job
from tests.support import eventually

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

LATER = timezone.now() + timedelta(hours=1)


def test_a_job_carries_its_task_and_arguments() -> None:
    job = fresh(Job.objects.enqueue(tasks.letter, "ann", subject="hello"))
    assert (job.task, job.args, job.kwargs) == ("tests.engine.tasks.letter", ["ann"], {"subject": "hello"})
    assert (job.queue, job.priority, job.max_attempts, job.timeout_seconds) == ("letters", 7, 3, 11)
    assert (job.state, job.attempt, job.failure_count, job.loss_count) == ("queued", 0, 0, 0)
    assert (job.claim, job.worker, job.finished_at, job.result, job.unique_key) == (None, "", None, None, None)


def test_the_returned_job_equals_the_row() -> None:
    job = Job.objects.enqueue(tasks.add.using(tags=["a"], meta={"x": 1}), 1)
    row = fresh(job)
    for field in Job._meta.concrete_fields:
        assert getattr(job, field.attname) == getattr(row, field.attname), field.name


def test_a_task_its_copy_and_its_name_are_the_same() -> None:
    made = [Job.objects.enqueue(given, 1) for given in (tasks.add, tasks.add.using(queue_name="q"), ADD)]
    assert {job.task for job in made} == {ADD}
    assert [job.queue for job in made] == ["default", "q", "default"]


def test_an_alias_becomes_the_present_name() -> None:
    assert Job.objects.create(task="tests.engine.tasks.former_name").task == "tests.engine.tasks.present_name"
    assert Job.objects.enqueue("tests.engine.tasks.former_name").task == "tests.engine.tasks.present_name"


def test_create_takes_the_limits_from_the_task_unless_they_are_given() -> None:
    job = Job.objects.create(task="tests.engine.tasks.letter", args=("a",))
    assert (job.max_attempts, job.timeout_seconds, job.args) == (3, 11, ["a"])
    job = Job.objects.create(task="tests.engine.tasks.letter", args=["a"], max_attempts=1, timeout_seconds=0)
    assert (job.max_attempts, job.timeout_seconds) == (1, 0)


def test_options_of_a_copy_become_columns() -> None:
    copy = tasks.add.using(
        queue_name="mail", priority=5, run_after=LATER, unique_key="k", expires_at=LATER, tags=["a", "b"],
        meta={"x": [1]}, correlation_id="c", subject="s", tenant="t", max_attempts=2, timeout_seconds=3,
    )  # fmt: skip
    job = fresh(Job.objects.enqueue(copy))
    assert (job.queue, job.priority, job.due_at, job.unique_key, job.expires_at) == ("mail", 5, LATER, "k", LATER)
    assert (job.tags, job.meta, job.correlation_id, job.subject, job.tenant) == (["a", "b"], {"x": [1]}, "c", "s", "t")
    assert (job.max_attempts, job.timeout_seconds, job.state, job.published_at) == (2, 3, "scheduled", None)


def test_enqueue_many_takes_tuples_lists_and_dicts() -> None:
    jobs = Job.objects.enqueue_many(tasks.add, [(1,), [1, 2], {"a": 3}, ()])
    assert [(job.args, job.kwargs) for job in jobs] == [([1], {}), ([1, 2], {}), ([], {"a": 3}), ([], {})]
    assert Job.objects.count() == 4
    assert Job.objects.enqueue_many(tasks.add, iter(())) == []


def test_jobs_of_a_batch_are_what_single_jobs_are_and_share_nothing() -> None:
    copy = tasks.letter.using(tags=["a"], meta={"x": [1]}, expires_at=LATER, tenant="t")
    alone, *batch = [Job.objects.enqueue(copy, "1"), *Job.objects.enqueue_many(copy, [("0",), {"to": "1"}, ("2",)])]
    batch[1].tags.append("mine")
    batch[1].meta["x"].append(2)
    own = {"id", "args", "kwargs", "created_at", "due_at", "published_at"}
    for job in (batch[0], batch[2], *map(fresh, batch)):
        for field in Job._meta.concrete_fields:
            assert field.attname in own or getattr(job, field.attname) == getattr(alone, field.attname), field.name
    assert len({job.id for job in batch}) == 3
    assert [(job.args, job.kwargs) for job in map(fresh, batch)] == [(["0"], {}), ([], {"to": "1"}), (["2"], {})]


def test_columns_follow_settings_that_change(configure: Any) -> None:
    configure(MAX_ATTEMPTS=4)
    assert Job.objects.enqueue(tasks.add).max_attempts == 4
    configure(MAX_ATTEMPTS=2)
    assert Job.objects.enqueue(tasks.add).max_attempts == 2
    assert Job.objects.enqueue(tasks.add.using(max_attempts=3)).max_attempts == 3
    assert Job.objects.enqueue(tasks.add).max_attempts == 2


@pytest.mark.lingers
def test_an_expiry_of_a_declared_task_is_compared_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    expiring = tasks.add.using(expires_at=timezone.now() + timedelta(seconds=1))
    monkeypatch.setitem(registry._tasks, ADD, expiring)
    assert Job.objects.enqueue(ADD).expires_at == expiring.expires_at

    def is_refused() -> bool:
        with suppress(InvalidJob):
            return not Job.objects.enqueue(ADD)
        return True

    eventually(is_refused)


@pytest.mark.lingers
def test_many_jobs_take_few_statements(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(5):  # three inserts and a savepoint
        jobs = Job.objects.enqueue_many(tasks.add, [(number,) for number in range(1200)])
    assert [job.args[0] for job in Job.objects.order_by("id")] == list(range(1200))
    assert jobs[0].id < jobs[-1].id


def test_ids_are_version_7_and_in_order() -> None:
    made = [Job.objects.enqueue(tasks.add).id for _ in range(20)]
    assert made == sorted(made)
    assert {job_id.version for job_id in made} == {7}


# -- refusals --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["os.system", "tests.engine.tasks.missing", "", "a b", "tests.engine.tasks.SEEN"])
def test_an_unknown_task_is_refused(name: str) -> None:
    for enqueue in (lambda: Job.objects.create(task=name), lambda: Job.objects.enqueue(name)):
        with pytest.raises(UnknownTask, match=r"^task: no task named"):
            enqueue()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"queue": "two words"}, "queue"),
        ({"queue": ""}, "queue"),
        ({"priority": -101}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 1001}, "max_attempts"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"due_at": datetime(2030, 1, 1)}, "run_after"),  # noqa: DTZ001
        ({"due_at": "tomorrow"}, "run_after"),
        ({"expires_at": datetime(2030, 1, 1)}, "expires_at"),  # noqa: DTZ001
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
        ({"unique_key": "x" * 256}, "unique_key"),
        ({"unique_key": "a\x00b"}, "unique_key"),
        ({"tags": ["two words"]}, "tags"),
        ({"tags": "abc"}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"meta": [1]}, "meta"),
        ({"meta": {"a": float("nan")}}, "meta.a"),
        ({"meta": {"a": "x" * 20_000}}, "meta"),
        ({"correlation_id": "x" * 129}, "correlation_id"),
        ({"subject": "a\nb"}, "subject"),
        ({"tenant": 5}, "tenant"),
        ({"id": "not-a-uuid"}, "id"),
        ({"id": 5.5}, "id"),
    ],
)
def test_a_bad_column_is_refused_by_its_name(columns: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        Job.objects.create(task=ADD, **columns)
    assert caught.value.field == field
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "succeeded"}, {"state": "running"}, {"state": "blocked"}, {"attempt": 1}, {"failure_count": 1},
        {"loss_count": 1}, {"published_at": LATER}, {"publish_seq": 3}, {"claim": 1}, {"claimed_at": LATER},
        {"worker": "w"}, {"finished_at": LATER}, {"cancel_requested_at": LATER}, {"progress": {}}, {"result": 1},
        {"reason": "because"}, {"payload_format": "pickle"},
    ],
)  # fmt: skip
def test_columns_of_a_job_s_life_cannot_be_set(columns: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob, match="cannot be set on a new job") as caught:
        Job.objects.create(task=ADD, **columns)
    assert caught.value.field == next(iter(columns))


def test_an_id_may_be_given_as_text() -> None:
    job = Job.objects.create(id=str(uuid4()), task=ADD)
    assert isinstance(job.id, UUID)
    assert fresh(job).id == job.id


def test_no_due_time_means_now() -> None:
    jobs = Job.objects.bulk_create([Job(task=ADD, due_at=None), Job(task=ADD, due_at=LATER), Job(id=None, task=ADD)])
    assert [fresh(job).state for job in jobs] == ["queued", "scheduled", "queued"]
    assert abs((fresh(jobs[0]).due_at - timezone.now()).total_seconds()) < 5


def test_an_id_that_exists_is_refused() -> None:
    job = make_job()
    with pytest.raises(DuplicateJob, match=rf"^id: {job.id} stands for another job already"):
        Job.objects.create(id=job.id, task=ADD)


def test_the_same_id_twice_in_one_batch_is_refused() -> None:
    job_id = uuid4()
    for unique_key in (None, "k"):
        with pytest.raises(DuplicateJob, match=r"^id: "):
            Job.objects.bulk_create([Job(id=job_id, task=ADD), Job(id=job_id, task=ADD, unique_key=unique_key)])
    assert not Job.objects.exists()


def test_a_job_in_the_ledger_cannot_be_enqueued_again() -> None:
    job = make_job()
    with pytest.raises(InvalidJob, match="in the ledger already"):
        Job.objects.bulk_create([job])


def test_bulk_create_has_no_options_for_conflicts() -> None:
    with pytest.raises(TypeError, match="unique_key"):
        Job.objects.bulk_create([Job(task=ADD)], ignore_conflicts=True)


# -- unique keys -----------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["queued", "scheduled", "blocked", "running", "retrying"])
def test_a_second_job_of_a_key_is_the_first(state: str) -> None:
    first = make_job(state, unique_key="k")
    second = Job.objects.enqueue(tasks.add.using(unique_key="k"), 5)
    assert (second.id, second.is_duplicate, second.args, second.state) == (first.id, True, first.args, state)
    result = tasks.add.using(unique_key="k").enqueue(6)
    assert (result.id, result.is_duplicate) == (str(first.id), True)
    assert Job.objects.count() == 1


@pytest.mark.parametrize("state", ["succeeded", "dead", "cancelled"])
def test_a_key_is_free_again_when_its_job_has_ended(state: str) -> None:
    first = make_job(state, unique_key="k")
    second = Job.objects.enqueue(tasks.add.using(unique_key="k"))
    assert (second.id != first.id, second.is_duplicate, second.state) == (True, False, "queued")


def test_a_batch_keeps_the_first_job_of_each_key() -> None:
    held = make_job(unique_key="a")
    keys = ["b", "a", None, "b", "c", None]
    jobs = Job.objects.bulk_create([Job(task=ADD, args=[i], unique_key=key) for i, key in enumerate(keys)])
    assert [job.is_duplicate for job in jobs] == [False, True, False, True, False, False]
    assert (jobs[1].id, jobs[3].id) == (held.id, jobs[0].id)
    assert Job.objects.count() == 5


def test_an_empty_key_is_no_key() -> None:
    assert {Job.objects.enqueue(tasks.add.using(unique_key="")).unique_key for _ in range(2)} == {None}


# -- the window ------------------------------------------------------------------------------------
def test_a_full_window_leaves_jobs_in_the_ledger(configure: Any) -> None:
    configure(WINDOW_MESSAGES=3, PREFETCH_LIMIT=3)
    jobs = Job.objects.enqueue_many(tasks.add, [(number,) for number in range(5)])
    assert [job.published_at is not None for job in jobs] == [True, True, True, False, False]
    other = Job.objects.enqueue(tasks.add.using(queue_name="other"))
    assert other.published_at is not None
    assert (fresh(jobs[0]).publish_seq, fresh(jobs[4]).publish_seq) == (1, 0)


def test_jobs_of_low_priority_wait_for_the_dispatcher() -> None:
    assert Job.objects.enqueue(tasks.add.using(priority=-1)).published_at is None


def test_the_dispatcher_tops_the_window_up_by_priority_and_age(configure: Any) -> None:
    configure(WINDOW_MESSAGES=3, PREFETCH_LIMIT=3)
    made = [make_job(priority=priority) for priority in (0, 5, 0, 9)]
    Job.objects.update(published_at=None, publish_seq=0)
    assert dispatcher.top_up() == 3
    deliveries = get_transport().receive(["default"], 10, 0)
    assert [delivery.job_id for delivery in deliveries] == [made[3].id, made[1].id, made[0].id]
    assert fresh(made[2]).published_at is None


def test_a_row_by_plain_sql_is_a_legal_job_and_goes_out(transport: MemoryTransport) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_job (task, args) VALUES (%s, %s)", [ADD, "[1, 2]"])
    job = Job.objects.get()
    assert (job.state, job.queue, job.args, job.kwargs, job.tags) == ("queued", "default", [1, 2], {}, [])
    assert (job.id.version, job.published_at, job.priority) == (7, None, 0)
    assert abs((job.created_at - timezone.now()).total_seconds()) < 5
    assert dispatcher.top_up() == 1
    assert transport.list_ids("default") == {f"{job.id}-1"}
