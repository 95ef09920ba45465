"""Random lives of many jobs against a small model: whatever the order of verbs, the ledger and the model agree.

Each rule calls one real verb and does the same to the model; the invariants compare every row after every step.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from jobs import dispatcher, lifecycle, statistics
from jobs.lifecycle import Remains, operate
from jobs.lifecycle.due import expire, promote_due
from jobs.models import Attempt, Job, Worker
from jobs.runs import Run
from jobs.states import FINAL, UNFINISHED, WAITING, Outcome, is_legal
from tests.engine import tasks
from tests.factories import begun, ended, make_worker

MAX_ATTEMPTS = 3
ENDS = [Outcome.SUCCESS, Outcome.ERROR, Outcome.TIMEOUT, Outcome.SNOOZED, Outcome.DISCARDED, Outcome.CANCELLED]
COUNTED = {"succeeded": "state_succeeded", "dead": "state_dead", "cancelled": "state_cancelled"}


@dataclass
class Life:
    """One job as the model knows it."""

    state: str
    key: str | None = None
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    is_cancel_requested: bool = False
    run: Run | None = None
    outcomes: list[str] = field(default_factory=list)


class Ledger(RuleBasedStateMachine):
    """The verbs as rules."""

    jobs = Bundle("jobs")
    stale = Bundle("stale")

    def __init__(self) -> None:
        super().__init__()
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        self.lives: dict[UUID, Life] = {}
        self.finals: Counter[str] = Counter()
        self.worker_count = 0
        self._new_worker()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._atomic.__exit__(None, None, None)

    def _new_worker(self) -> None:
        self.worker_count += 1
        self.worker = make_worker(f"worker-{self.worker_count}").id

    # -- the model's own moves -----------------------------------------------------------------------------------

    def _move(self, life: Life, state: str) -> None:
        assert is_legal(life.state, state), (life.state, state)
        life.state = state
        if state in FINAL:
            self.finals[COUNTED[state]] += 1

    def _end(self, life: Life, outcome: Outcome, *, is_poison: bool = False) -> None:
        life.run, life.attempt = None, life.attempt + 1
        is_requested, is_failure = life.is_cancel_requested, outcome in {Outcome.ERROR, Outcome.TIMEOUT}
        state = {Outcome.SUCCESS: "succeeded", Outcome.DISCARDED: "cancelled", Outcome.CANCELLED: "queued"}.get(
            outcome, "retrying"
        )
        if is_failure:
            life.failures += 1
            state = "dead" if life.failures >= MAX_ATTEMPTS else "retrying"
        if outcome is Outcome.LOST:
            life.losses += 1
            state = "dead" if is_poison else "queued" if life.losses == 1 else "retrying"
        if is_requested and state in {"queued", "retrying"}:
            state = "cancelled"
            outcome = Outcome.CANCELLED if outcome is Outcome.LOST else outcome
        life.outcomes.append(str(outcome))
        self._move(life, state)

    # -- rules ---------------------------------------------------------------------------------------------------

    @rule(target=jobs, number=st.integers(1, 3), is_later=st.booleans())
    def enqueue_some(self, number: int, is_later: bool) -> Any:
        task = tasks.add.using(max_attempts=MAX_ATTEMPTS)
        made = Job.objects.enqueue_many(
            task.using(run_after=timezone.now() + timedelta(hours=1)) if is_later else task, [(1,)] * number
        )
        for job in made:
            self.lives[job.id] = Life("scheduled" if is_later else "queued")
        return multiple(*(job.id for job in made))

    @rule(target=jobs, key=st.sampled_from("ab"))
    def enqueue_unique(self, key: str) -> Any:
        job = Job.objects.enqueue(tasks.add.using(unique_key=key, max_attempts=MAX_ATTEMPTS))
        holders = [i for i, life in self.lives.items() if life.key == key and life.state in UNFINISHED]
        if holders:
            assert (job.is_duplicate, [job.id]) == (True, holders)
            return multiple()
        self.lives[job.id] = Life("queued", key)
        return job.id

    @rule(target=stale, job=jobs)
    def claim(self, job: UUID) -> Any:
        life = self.lives[job]
        runs = lifecycle.claim([job], worker=self.worker, is_alone=True)
        assert len(runs) == (life.state == "queued")
        if not runs:
            return multiple()
        assert runs[0].number == life.attempt + 1
        self._move(life, "running")
        life.run = runs[0]
        return runs[0]

    @rule(job=jobs)
    def claim_in_company_leaves_suspects(self, job: UUID) -> None:
        if self.lives[job].losses:
            assert lifecycle.claim([job], worker=self.worker) == []

    @rule(job=jobs)
    def begin(self, job: UUID) -> None:
        run = self.lives[job].run
        if run is not None:
            begun(run)

    @rule(job=jobs, outcome=st.sampled_from(ENDS), is_repeated=st.booleans())
    def settle(self, job: UUID, outcome: Outcome, is_repeated: bool) -> None:
        life = self.lives[job]
        if life.run is None:
            return
        run = ended(life.run, outcome, delay_seconds=60.0)
        self._end(life, outcome)
        for _ in range(1 + is_repeated):  # the reply to the first was lost
            assert lifecycle.settle([run]) == {job: life.state}

    @rule(run=stale, outcome=st.sampled_from(ENDS))
    def settle_with_a_claim_that_is_gone(self, run: Run, outcome: Outcome) -> None:
        if self.lives[run.job_id].run is not run:
            run.outcome = outcome
            before = Job.objects.filter(id=run.job_id).values().get()
            lifecycle.settle([run])
            assert lifecycle.release([run.job_id], run.claim) == 0
            assert Job.objects.filter(id=run.job_id).values().get() == before

    @rule(job=jobs, is_published=st.booleans())
    def release(self, job: UUID, is_published: bool) -> None:
        life = self.lives[job]
        if life.run is None or life.run.started_seconds is not None:
            return
        (lifecycle.republish if is_published else lifecycle.release)([job], life.run.claim)
        life.run = None
        self._move(life, "cancelled" if life.is_cancel_requested else "queued")

    @rule(knows=st.booleans())
    def lose_the_worker(self, knows: bool) -> None:
        held = {i: life for i, life in self.lives.items() if life.run is not None}
        remains = {
            i: Remains(Outcome.LOST, "gone", life.run.started_seconds, life.run.started_seconds + 1)
            for i, life in held.items()
            if life.run is not None and life.run.started_seconds is not None
        }
        assert lifecycle.lose_worker(self.worker, remains=remains if knows else None) == len(held)
        for i, life in held.items():
            if knows and i not in remains:
                life.run = None
                self._move(life, "cancelled" if life.is_cancel_requested else "queued")
            else:
                self._end(life, Outcome.LOST, is_poison=self._is_poison(i))
        assert lifecycle.lose_worker(self.worker) == 0
        self._new_worker()

    def _is_poison(self, job: UUID) -> bool:
        # when it counts as alone is the rule of test_loss.py; here the ledger's word is taken and checked for sense
        is_dead: bool = Job.objects.get(id=job).state == "dead"
        assert not is_dead or self.lives[job].losses >= 2
        return is_dead

    @rule()
    def let_delays_pass(self) -> None:
        Job.objects.filter(state__in=["scheduled", "retrying"]).update(due_at=Now() - timedelta(seconds=1))
        due = [life for life in self.lives.values() if life.state in {"scheduled", "retrying"}]
        assert promote_due() == len(due)
        for life in due:
            self._move(life, "queued")

    @rule()
    def publish(self) -> None:
        dispatcher.top_up()

    @rule(job=jobs)
    def cancel(self, job: UUID) -> None:
        life = self.lives[job]
        report = operate.cancel([job], actor="test")
        may = life.state in WAITING or (life.state == "running" and not life.is_cancel_requested)
        assert bool(report.changed) == may
        if not may:
            return
        life.is_cancel_requested = True
        if life.state != "running":
            self._move(life, "cancelled")

    @rule(job=jobs)
    def revive(self, job: UUID) -> None:
        life = self.lives[job]
        is_key_held = life.key and any(
            other.key == life.key and other.state in UNFINISHED for other in self.lives.values()
        )
        report = operate.revive([job], actor="test")
        assert bool(report.changed) == (life.state in {"dead", "cancelled"} and not is_key_held)
        if report.changed:
            self._move(life, "queued")
            life.failures = life.losses = 0
            life.is_cancel_requested = False

    @rule(job=jobs)
    def discard(self, job: UUID) -> None:
        life = self.lives[job]
        report = operate.discard([job], actor="test")
        assert bool(report.changed) == (life.state == "dead")
        if report.changed:
            self._move(life, "cancelled")

    @rule(job=jobs)
    def expire(self, job: UUID) -> None:
        life = self.lives[job]
        if life.state not in WAITING:
            return
        Job.objects.filter(id=job).update(expires_at=Now() - timedelta(seconds=1))
        assert lifecycle.claim([job], worker=self.worker, is_alone=True) == []
        assert expire() == 1
        self._move(life, "cancelled")

    @rule()
    def fold_statistics(self) -> None:
        statistics.fold()

    # -- invariants ----------------------------------------------------------------------------------------------

    @invariant()
    def every_row_is_as_the_model_says(self) -> None:
        rows = {job.id: job for job in Job.objects.all()}
        assert rows.keys() == self.lives.keys()
        for job_id, life in self.lives.items():
            job = rows[job_id]
            assert (job.state, job.attempt, job.failure_count, job.loss_count) == (
                life.state, life.attempt, life.failures, life.losses,
            )  # fmt: skip
            assert job.claim == (life.run.claim if life.run else None)
            assert (job.cancel_requested_at is not None) == life.is_cancel_requested

    @invariant()
    def every_run_has_one_attempt(self) -> None:
        found: dict[UUID, list[str]] = {}
        for job_id, number, outcome in Attempt.objects.order_by("number").values_list("job_id", "number", "outcome"):
            outcomes = found.setdefault(job_id, [])
            outcomes.append(outcome)
            assert number == len(outcomes)
        assert found == {i: life.outcomes for i, life in self.lives.items() if life.outcomes}

    @invariant()
    def final_states_are_counted_once(self) -> None:
        counts: Counter[str] = Counter()
        for figures in statistics.totals().values():
            counts.update({name: n for name, n in figures.counts.items() if name.startswith("state_")})
        assert counts == self.finals

    @invariant()
    def living_workers_hold_all_claims(self) -> None:
        holders = set(Job.objects.running().values_list("worker", flat=True))
        assert holders <= set(Worker.objects.living().values_list("id", flat=True))


@pytest.mark.django_db
@pytest.mark.timeout(600)  # a failure takes some minutes to shrink
def test_any_order_of_verbs_keeps_the_ledger_right() -> None:
    settings = hypothesis.settings(
        max_examples=25, stateful_step_count=40, suppress_health_check=list(hypothesis.HealthCheck)
    )
    run_state_machine_as_test(Ledger, settings=settings)  # type: ignore[no-untyped-call]
