"""What people, the dispatcher and time do to jobs, on top of enqueues and workers."""

from contextlib import suppress
from uuid import UUID

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from jobs import dispatcher, lifecycle, reconciler, statistics
from jobs.errors import InvalidJob, TransportUnavailable
from jobs.lifecycle import operate
from jobs.lifecycle.operate import Report
from jobs.lifecycle.retention import delete_old
from jobs.transports import Message
from tests.properties import clock, comparison
from tests.properties.enqueue_rules import QUEUES, if_any
from tests.properties.model import DAY
from tests.properties.worker_rules import WorkerRules

ACTOR = "the test"
chosen_jobs = st.lists(WorkerRules.jobs, min_size=1, max_size=4)  # one may be named twice
queues = st.sampled_from(QUEUES)
ASIDE = (
    "a_worker_that_was_given_up_gets_nothing", "announce_again", "edit_badly", "enqueue_an_id_again", "expire",
    "fold_statistics", "look_around", "top_up_an_absent_transport",
)  # fmt: skip


class LifeRules(WorkerRules):
    """All single verbs."""

    refs: Bundle[tuple[UUID, int]] = Bundle("refs")

    # -- people --------------------------------------------------------------------------------------------------

    @if_any("queued", "scheduled", "retrying", "running")
    @rule(ids=chosen_jobs)
    def cancel(self, ids: list[UUID]) -> None:
        self._changed(ids, operate.cancel(ids, actor=ACTOR), self.model.cancel(ids))

    @if_any("dead")
    @rule(ids=chosen_jobs)
    def discard(self, ids: list[UUID]) -> None:
        self._changed(ids, operate.discard(ids, actor=ACTOR), self.model.discard(ids))

    @if_any("dead", "cancelled")
    @rule(ids=chosen_jobs, ticks=st.sampled_from([None, None, 10]), number=st.sampled_from([None, None, 1, 2]))
    def revive(self, ids: list[UUID], ticks: int | None, number: int | None) -> None:
        report = operate.revive(
            ids,
            actor=ACTOR,
            args=None if number is None else [number],
            run_after=None if ticks is None else timezone.now() + ticks * clock.TICK,
        )
        self._changed(ids, report, self.model.revive(ids, ticks, number))

    def _changed(self, ids: list[UUID], report: Report, expected: list[UUID]) -> None:
        assert report.changed == expected
        assert set(report.skipped) == set(ids) - set(expected)

    def edit_badly(self, ids: list[UUID]) -> None:
        is_refused = any(
            job.state in {"dead", "cancelled"} and self.model.holder(job.key) is None
            for job in self.model.pick(lambda _: True, ids)
        )
        with self.nothing_changes():
            if is_refused:
                with pytest.raises(InvalidJob):
                    operate.revive(ids, actor=ACTOR, args=["too", "many"])
            else:
                assert operate.revive(ids, actor=ACTOR, args=["too", "many"]).changed == []

    @rule(queue=queues, is_paused=st.booleans())
    def pause_or_resume(self, queue: str, is_paused: bool) -> None:
        verb = operate.pause_queue if is_paused else operate.resume_queue
        assert verb(queue, actor=ACTOR) == self.model.pause(queue, is_paused)

    # -- what should be done often enough, but not as often as the rest ------------------------------------------

    @rule(verb=st.sampled_from(ASIDE), ids=chosen_jobs)
    def do_aside(self, verb: str, ids: list[UUID]) -> None:
        getattr(self, verb)(ids)

    def look_around(self, _: list[UUID]) -> None:
        comparison.compare_answers(self.model)

    # -- messages ------------------------------------------------------------------------------------------------

    @if_any("queued")
    @rule(target=refs, queue=queues, limit=st.integers(1, 3), minimum_priority=st.sampled_from([-100, 0]))
    def take_unpublished(self, queue: str, limit: int, minimum_priority: int) -> object:
        refs = lifecycle.take_unpublished(queue, limit, minimum_priority)
        expected = self.model.publish(self.model.unpublished(queue, minimum_priority)[:limit])
        assert [ref[:2] for ref in refs] == expected
        dispatcher.send(refs)
        return multiple(*expected)

    @if_any("queued")
    @rule(ref=refs, refs=st.lists(refs, max_size=4))
    def unpublish(self, ref: tuple[UUID, int], refs: list[tuple[UUID, int]]) -> None:
        wanted = {ref, *refs}
        expected = self.model.unpublish(lambda job: (job.id, job.publish_seq) in wanted)
        assert lifecycle.unpublish([ref, *refs]) == expected

    def announce_again(self, ids: list[UUID]) -> None:
        assert lifecycle.announce_again(ids) == self.model.unpublish(lambda job: job.id in ids)

    @if_any("queued")
    @rule()
    def top_up(self) -> None:
        waiting = [job for queue in QUEUES if queue not in self.model.paused for job in self.model.unpublished(queue)]
        assert dispatcher.top_up() == len(self.model.publish(waiting))

    def top_up_an_absent_transport(self, _: list[UUID]) -> None:
        self.transport.is_down = True
        with self.nothing_changes(), suppress(TransportUnavailable):
            assert dispatcher.top_up() == 0
        self.transport.is_down = False

    @if_any("queued")
    @rule(is_flushed=st.booleans())
    def repair_messages(self, is_flushed: bool) -> None:
        if is_flushed:
            self.transport.lose_all()
        listed = {queue: self.transport.list_ids(queue) for queue in QUEUES}
        lost = self.model.repair(
            lambda job: job.published is not None
            and job.published < self.model.now
            and Message(job.id, job.publish_seq, job.queue).id not in listed[job.queue]
        )
        assert reconciler.repair_messages() == lost

    # -- time ----------------------------------------------------------------------------------------------------

    @if_any("succeeded", "cancelled")
    @rule(days=st.sampled_from([0, 8, 31]))
    def delete_old(self, days: int) -> None:
        self.let_time_pass(days * DAY, False)
        assert delete_old() == self.model.forget_old()

    def fold_statistics(self, _: list[UUID]) -> None:
        statistics.fold()
