"""What workers do, and what is done about those that are gone."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from jobs import lifecycle
from jobs.errors import PermanentError, Retry
from jobs.lifecycle import Remains
from jobs.lifecycle.due import expire, promote_due
from jobs.runs import Run
from jobs.states import Outcome
from tests.factories import begun, ended
from tests.properties import clock
from tests.properties.enqueue_rules import QUEUES, SLOTS, BoomError, EnqueueRules, if_any
from tests.properties.model import TICK_SECONDS, ModelJob

# What the executor would have noted for each of the model's ends.
RUNS: dict[str, dict[str, Any]] = {
    "success": {"outcome": Outcome.SUCCESS, "result_text": '"done"'},
    "unstorable result": {"outcome": Outcome.SUCCESS, "result_text": '{"cut off'},
    "error": {"outcome": Outcome.ERROR, "error": ValueError()},
    "Retry": {"outcome": Outcome.ERROR, "error": Retry(3 * TICK_SECONDS), "delay_seconds": 3.0 * TICK_SECONDS},
    "timeout": {"outcome": Outcome.TIMEOUT, "error": TimeoutError()},
    "permanent error": {"outcome": Outcome.ERROR, "error": PermanentError()},
    "error that a rule makes permanent": {"outcome": Outcome.ERROR, "error": ZeroDivisionError()},
    "error that a rule discards": {"outcome": Outcome.ERROR, "error": KeyError()},
    "Snooze": {"outcome": Outcome.SNOOZED, "delay_seconds": 2.0 * TICK_SECONDS},
    "Discard": {"outcome": Outcome.DISCARDED},
    "interrupt": {"outcome": Outcome.CANCELLED},
}
LEFT = {"lost": Outcome.LOST, "timeout": Outcome.TIMEOUT, "interrupt": Outcome.CANCELLED}
WAYS = ("alone", "alone", "in a transaction", "in a transaction that fails")

slots = st.integers(0, SLOTS - 1)


class WorkerRules(EnqueueRules):
    """Claims, ends, returns and losses."""

    runs: Bundle[Run] = Bundle("runs")

    def __init__(self, *surroundings: Any) -> None:
        super().__init__(*surroundings)
        self.ends: dict[int, str] = {}  # how a run has ended, by its identity; it ends once
        self.all_runs: list[Run] = []

    def _claimed(self, runs: Sequence[Run], worker: str, expected: Sequence[ModelJob]) -> Any:
        assert [run.job_id for run in runs] == sorted(job.id for job in expected)
        for run in runs:
            job = self.model.jobs[run.job_id]
            assert (run.number, run.failure_count, run.loss_count) == (
                len(job.attempts) + 1, job.failures, len(job.losses),
            )  # fmt: skip
        assert len({run.claim for run in runs}) <= 1
        if runs:
            assert not any(run.claim == runs[0].claim for run in self.all_runs), "a claim was used before"
            self.model.claim(expected, worker, runs[0].claim)
        self.all_runs += runs
        return multiple(*runs)

    # -- time, which some of these need ------------------------------------------------------------------------

    @rule(ticks=st.sampled_from([1, 2, 30]), is_expiry_first=st.booleans())
    def let_time_pass(self, ticks: int, is_expiry_first: bool) -> None:
        self.model.now += ticks
        clock.let_pass(ticks)
        if is_expiry_first:
            self.expire([])
        self.promote()

    @if_any("scheduled", "retrying")
    @rule()
    def promote(self) -> None:
        assert promote_due() == self.model.promote()

    def expire(self, _: list[UUID]) -> None:
        assert expire() == self.model.expire()

    # -- claim ---------------------------------------------------------------------------------------------------

    @if_any("queued")
    @rule(
        target=runs, slot=slots, ids=st.lists(EnqueueRules.jobs, min_size=1, max_size=6), is_alone=st.booleans(),
        queues=st.sampled_from([None, None, ["default"], list(QUEUES)]),
    )  # fmt: skip
    def claim(self, slot: int, ids: list[UUID], is_alone: bool, queues: list[str] | None) -> Any:
        worker = self.workers[slot]
        expected = self.model.pick(
            lambda job: self.model.is_claimable(job, worker)
            and (is_alone or not job.losses)
            and (queues is None or job.queue in queues),
            ids,
        )
        return self._claimed(lifecycle.claim(ids, worker=worker, queues=queues, is_alone=is_alone), worker, expected)

    @if_any("queued")
    @rule(target=runs, slot=slots, limit=st.integers(1, 4))
    def receive_and_claim(self, slot: int, limit: int) -> Any:
        worker = self.workers[slot]
        deliveries = self.transport.receive(QUEUES, limit, 0)
        ids = [delivery.job_id for delivery in deliveries if delivery.job_id]
        expected = self.model.pick(lambda job: self.model.is_claimable(job, worker) and not job.losses, ids)
        found = lifecycle.claim(ids, worker=worker)
        self.transport.settle(deliveries)
        return self._claimed(found, worker, expected)

    @if_any("queued")
    @rule(target=runs, slot=slots, limit=st.integers(1, 3), is_suspect=st.booleans())
    def claim_waiting(self, slot: int, limit: int, is_suspect: bool) -> Any:
        worker = self.workers[slot]
        expected: list[ModelJob] = []
        for queue in QUEUES:
            expected = expected or [
                job
                for job in self.model.unpublished(queue)
                if self.model.is_claimable(job, worker) and bool(job.losses) == is_suspect
            ][:limit]
        found = lifecycle.claim_waiting(QUEUES, limit, worker=worker, is_suspect=is_suspect)
        return self._claimed(found, worker, expected)

    @if_any("queued")
    @rule(target=runs, slot=slots, limit=st.integers(1, 3), queues=st.sampled_from([None, ["slow"]]))
    def claim_stale(self, slot: int, limit: int, queues: list[str] | None) -> Any:
        worker, now = self.workers[slot], self.model.now
        stale = self.model.pick(
            lambda job: job.published is not None and job.published < now and not job.losses
            and self.model.is_claimable(job, worker) and (queues is None or job.queue in queues)
        )  # fmt: skip
        found = lifecycle.claim_stale(queues, limit, worker=worker, older_than_seconds=clock.STALE_SECONDS)
        assert len(found) == min(limit, len(stale))
        chosen = [job for job in stale if job.id in {run.job_id for run in found}]
        return self._claimed(found, worker, chosen)

    def a_worker_that_was_given_up_gets_nothing(self, ids: list[UUID]) -> None:
        gone = [worker for worker, is_living in self.model.workers.items() if not is_living]
        assert set(lifecycle.heartbeat([(worker, "[]", 0) for worker in self.model.workers])) == set(self.workers)
        for worker in gone[-1:]:
            assert lifecycle.claim(ids, worker=worker, is_alone=True) == []
            assert lifecycle.claim_waiting(QUEUES, 5, worker=worker) == []

    # -- run and settle ------------------------------------------------------------------------------------------

    @if_any("running")
    @rule(run=runs)
    def begin(self, run: Run) -> None:
        if run.started_seconds is None:
            begun(run)

    @if_any("running")
    @rule(run=runs, done=st.integers(0, 9))
    def record_progress(self, run: Run, done: int) -> None:
        lifecycle.record_progress({run.job_id: (run.claim, {"done": done})})
        job = self.model.jobs.get(run.job_id)
        if job is not None and job.claim == run.claim:
            job.progress = done

    @rule(
        batch=st.lists(st.tuples(runs, st.sampled_from(sorted(RUNS))), min_size=1, max_size=5),
        way=st.sampled_from(WAYS), is_reply_lost=st.booleans(),
    )  # fmt: skip
    def settle(self, batch: list[tuple[Run, str]], way: str, is_reply_lost: bool) -> None:
        for run, end in batch:
            self._end(run, end)
        batch_runs = list({id(run): run for run, _ in batch}.values())
        if way == "alone":
            answer = lifecycle.settle(batch_runs, pid=7)
        else:
            answer = {}
            with suppress(BoomError), transaction.atomic():
                answer = lifecycle.settle(batch_runs, pid=7)
                if way == "in a transaction that fails":
                    raise BoomError
        if way != "in a transaction that fails":
            self._expect_settled(batch_runs, answer)
            if is_reply_lost:
                self._settle_again(batch_runs)

    def _end(self, run: Run, end: str) -> None:
        if id(run) not in self.ends:
            self.ends[id(run)] = end
            ended(run, **RUNS[end])

    def _expect_settled(self, runs: Sequence[Run], answer: dict[UUID, str]) -> None:
        for run in runs:
            self.model.settle(run.job_id, run.claim, self.ends[id(run)])
        assert answer == self._recorded(runs)

    def _recorded(self, runs: Sequence[Run]) -> dict[UUID, str]:
        """Return where the jobs stand whose runs are in the ledger with just this end, be it from an earlier try."""
        return {
            run.job_id: self.model.jobs[run.job_id].state
            for run in runs
            if self.model.has_recorded(run.job_id, run.claim, self.ends[id(run)])
        }

    def _settle_again(self, runs: Sequence[Run]) -> None:
        with self.nothing_changes():
            assert lifecycle.settle(runs, pid=7) == self._recorded(runs)

    # -- give back, leave, vanish --------------------------------------------------------------------------------

    @if_any("running")
    @rule(run=runs, is_whole_batch=st.booleans(), is_at_head=st.booleans())
    def give_back(self, run: Run, is_whole_batch: bool, is_at_head: bool) -> None:
        ids = [other.job_id for other in self.all_runs if other.claim == run.claim] if is_whole_batch else [run.job_id]
        if not is_at_head:
            assert lifecycle.release(ids, run.claim) == len(self.model.release(ids, run.claim))
            return
        refs = lifecycle.republish(ids, run.claim)
        queued = [job for job in self.model.release(ids, run.claim) if job.state == "queued"]
        assert [ref[:2] for ref in refs] == self.model.publish(queued)
        assert [(queue, priority) for _, _, queue, priority, _ in refs] == [(job.queue, job.priority) for job in queued]

    @if_any("running")
    @rule(slot=slots)
    def leave(self, slot: int) -> None:
        lifecycle.leave(self.workers[slot])
        self.model.lose(self.workers[slot], {})
        self.workers[slot] = self.new_worker()

    @if_any("running")
    @rule(slot=slots, end=st.sampled_from(sorted(LEFT)), is_alone=st.booleans())
    def lose_a_child_of_a_living_pool(self, slot: int, end: str, is_alone: bool) -> None:
        held = lifecycle.claims_of(self.workers[slot])
        left = {
            run.job_id: Remains(LEFT[end], "gone", run.started_seconds, run.started_seconds + 1, is_alone)
            for run in self.all_runs
            if run.started_seconds is not None and held.get(run.job_id) == run.claim
        }
        self._lose(slot, left, dict.fromkeys(left, (end, is_alone)))

    @if_any("running")
    @rule(slot=slots)
    def lose_a_worker_that_fell_silent(self, slot: int) -> None:
        self._lose(slot, None, None)

    def _lose(
        self, slot: int, left: dict[UUID, Remains] | None, expected: dict[UUID, tuple[str, bool]] | None
    ) -> None:
        worker = self.workers[slot]
        held = list(lifecycle.claims_of(worker))
        assert lifecycle.lose_worker(worker, remains=left) == self.model.lose(worker, expected)
        with self.nothing_changes():  # a second reconciler comes to the same conclusion
            assert lifecycle.lose_worker(worker) == 0
        for job in self.model.pick(lambda job: job.state == "retrying" and job.attempts[-1][0] == "lost", held):
            clock.wait_a_tick_after_loss(job.id)
        self.workers[slot] = self.new_worker()
