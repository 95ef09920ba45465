"""The state machine's ground: one ledger with its model, compared after every step; and the ways to enqueue."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from jobs import dispatcher
from jobs.errors import DuplicateJob
from jobs.events import Change
from jobs.models import Attempt, AuditEntry, Job
from jobs.models.fields import uuid7
from jobs.transports.memory import MemoryTransport
from tests.factories import make_worker
from tests.properties import comparison, laws, moves
from tests.properties.clock import TICK
from tests.properties.model import Model, ModelJob
from tests.properties.tasks import MAX_ATTEMPTS, work

QUEUES = ("default", "slow")
SLOTS = 2
MOST_JOBS = 6
some_ticks = st.sampled_from([None, None, None, 1, 10])

# Everything that an enqueue may say of a job, mostly nothing.
wishes = st.fixed_dictionaries(
    {
        "queue": st.sampled_from(QUEUES),
        "priority": st.sampled_from([0, 0, 7, -7]),
        "key": st.sampled_from([None, None, None, "a", "b"]),
        "delay": some_ticks,
        "expiry": some_ticks,
        "max_attempts": st.integers(1, MAX_ATTEMPTS),
    }
)

PLAIN: dict[str, Any] = {
    "queue": "default", "priority": 0, "key": None, "delay": None, "expiry": None, "max_attempts": 2,
}  # fmt: skip


class BoomError(Exception):
    """What makes a caller's transaction fail."""


def if_any(*states: str) -> Any:
    """Do something only while a job is in one of these states: what changes nothing is tried beside what does."""
    return precondition(lambda machine: any(job.state in states for job in machine.model.jobs.values()))


class EnqueueRules(RuleBasedStateMachine):
    """A ledger, its model, and enqueues."""

    jobs: Bundle[UUID] = Bundle("jobs")

    def __init__(self, transport: MemoryTransport, heard: list[Change]) -> None:
        super().__init__()
        moves.empty_ledger()
        self.transport, self.heard = transport, heard
        self.transport.is_down = False
        self.transport.lose_all()
        self.heard.clear()
        self.forget_rooms()
        self.model = Model()
        self.seen_move, self.states = 0, dict[UUID, str]()
        newest = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first()
        self.audited_before = newest or 0
        self.workers = [self.new_worker() for _ in range(SLOTS)]

    def new_worker(self) -> str:
        """Enrol a fresh incarnation."""
        worker_id = f"worker-{len(self.model.workers)}"
        self.model.workers[worker_id] = True
        return make_worker(worker_id).id

    def forget_rooms(self) -> None:
        """Let the dispatcher forget that it found a queue full or the transport away."""
        dispatcher._rooms = dispatcher._Rooms()

    # -- enqueue -------------------------------------------------------------------------------------------------

    @initialize(target=jobs)
    def begin_with_two_jobs(self) -> Any:
        return self._enqueue([PLAIN, PLAIN])

    def has_room(self) -> bool:
        """Whether there are few enough jobs; many would seldom meet each other."""
        return len(self.model.jobs) < MOST_JOBS

    @precondition(has_room)
    @rule(target=jobs, wanted=st.lists(wishes, min_size=1, max_size=3), is_transport_down=st.booleans())
    def enqueue_many(self, wanted: list[dict[str, Any]], is_transport_down: bool) -> Any:
        self.transport.is_down = is_transport_down
        try:
            return self._enqueue(wanted)
        finally:
            self.transport.is_down = False
            self.forget_rooms()

    def _enqueue(self, wanted: list[dict[str, Any]]) -> Any:
        made = Job.objects.bulk_create([_job(wish) for wish in wanted])
        return multiple(*self._expect(made, wanted))

    @precondition(has_room)
    @rule(target=jobs, wish=wishes)
    def enqueue_one(self, wish: dict[str, Any]) -> Any:
        now = timezone.now()
        options = {
            "queue_name": wish["queue"],
            "priority": wish["priority"],
            "max_attempts": wish["max_attempts"],
            "unique_key": wish["key"],
            "run_after": wish["delay"] and now + wish["delay"] * TICK,
            "expires_at": wish["expiry"] and now + wish["expiry"] * TICK,
        }
        return multiple(*self._expect([Job.objects.enqueue(work.using(**options), 0)], [wish]))

    def _expect(self, made: list[Job], wanted: list[dict[str, Any]]) -> Iterator[UUID]:
        # as the ledger does, jobs without a key first and the others by their keys
        for job, wish in sorted(zip(made, wanted, strict=True), key=lambda pair: pair[1]["key"] or ""):
            expected = self._model_job(job.id, wish)
            held = self.model.insert(expected)
            assert (job.is_duplicate, job.id) == (held is not expected, held.id)
            if held is expected:
                yield job.id

    def _model_job(self, job_id: UUID, wish: dict[str, Any]) -> ModelJob:
        now = self.model.now
        is_sent = wish["delay"] is None and wish["priority"] >= 0
        return ModelJob(
            id=job_id,
            queue=wish["queue"],
            priority=wish["priority"],
            key=wish["key"],
            state="queued" if wish["delay"] is None else "scheduled",
            due=now + (wish["delay"] or 0),
            expires=None if wish["expiry"] is None else now + wish["expiry"],
            max_attempts=wish["max_attempts"],
            published=now if is_sent and not self.transport.is_down else None,
            publish_seq=int(is_sent),
        )

    @precondition(has_room)
    @rule(target=jobs, queue=st.sampled_from(QUEUES), key=st.sampled_from([None, "a"]), is_later=st.booleans())
    def insert_by_plain_sql(self, queue: str, key: str | None, is_later: bool) -> Any:
        state, due_at = ("scheduled", timezone.now() + TICK) if is_later else ("queued", timezone.now())
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO jobs_job (task, args, queue, unique_key, state, due_at) VALUES (%s, %s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING RETURNING id",
                [work.module_path, "[0]", queue, key, state, due_at],
            )
            rows = cursor.fetchall()
        assert bool(rows) == (self.model.holder(key) is None)
        if not rows:
            return multiple()
        job_id = rows[0][0] if isinstance(rows[0][0], UUID) else UUID(rows[0][0])
        due = self.model.now + is_later
        self.model.insert(ModelJob(job_id, queue, state, MAX_ATTEMPTS, key=key, due=due))
        return job_id

    @rule(wanted=st.lists(wishes, min_size=1, max_size=3))
    def enqueue_and_roll_back(self, wanted: list[dict[str, Any]]) -> None:
        before = {queue: self.transport.list_ids(queue) for queue in QUEUES}
        with suppress(BoomError), transaction.atomic():
            Job.objects.bulk_create([_job(wish) for wish in wanted])
            raise BoomError
        assert {queue: self.transport.list_ids(queue) for queue in QUEUES} == before

    def enqueue_an_id_again(self, ids: list[UUID]) -> None:
        if ids[0] in self.model.jobs:
            with self.nothing_changes(), pytest.raises(DuplicateJob):
                Job.objects.bulk_create([_job(PLAIN), _job(PLAIN, id=ids[0])])

    # -- after every step ----------------------------------------------------------------------------------------

    @invariant()
    def ledger_and_model_agree(self) -> None:
        jobs, attempts = list(Job.objects.all()), list(Attempt.objects.all())
        comparison.compare_jobs(self.model, jobs)
        comparison.compare_attempts(self.model, attempts)
        comparison.compare_totals(self.model, self.audited_before)
        comparison.compare_changes(self.model, self.heard)
        laws.check_rows(jobs)
        laws.check_attempts(jobs, attempts)

    @invariant()
    def only_the_expected_moves_were_made(self) -> None:
        made, self.seen_move = moves.moves(after=self.seen_move)
        self.states = laws.check_moves(made, self.states)
        assert sorted(made) == sorted(self.model.moves)
        self.model.moves.clear()

    @contextmanager
    def nothing_changes(self) -> Iterator[None]:
        """Check that the block leaves every row of jobs as it was."""
        before = list(Job.objects.order_by("id").values())
        yield
        assert list(Job.objects.order_by("id").values()) == before


def _job(wish: dict[str, Any], **columns: Any) -> Job:
    """Return the unsaved job that was wished for."""
    now = timezone.now()
    if wish["delay"] is not None:
        columns["due_at"] = now + wish["delay"] * TICK
    if wish["expiry"] is not None:
        columns["expires_at"] = now + wish["expiry"] * TICK
    return Job(
        task=work.module_path,
        args=[0],
        queue=wish["queue"],
        priority=wish["priority"],
        unique_key=wish["key"],
        max_attempts=wish["max_attempts"],
        **{"id": uuid7(), **columns},
    )
