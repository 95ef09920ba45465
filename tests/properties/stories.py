"""The whole machine: all single verbs, and stories of several that chance alone would come to too rarely.

A story begins with a run that a worker holds at that moment, or with a job that it claims for it. Each of its verbs
is a rule as well, and checks what that checks.
"""

from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import multiple, precondition, rule

from jobs import lifecycle
from jobs.runs import Run
from tests.factories import begun
from tests.properties.life_rules import LifeRules
from tests.properties.model import ModelJob
from tests.properties.worker_rules import RUNS

picks = st.integers(0, 5)
ends = st.one_of(st.just("success"), st.sampled_from(sorted(RUNS)))


class Stories(LifeRules):
    """All rules."""

    def held_runs(self) -> list[Run]:
        """Return the runs whose claims hold."""
        claims = {job.id: job.claim for job in self.model.jobs.values()}
        return [run for run in self.all_runs if claims.get(run.job_id) == run.claim]

    def is_anything_to_do(self) -> bool:
        """Whether a run is held, or a job is to be had."""
        return bool(self.held_runs() or self._free())

    def _free(self) -> list[ModelJob]:
        return self.model.pick(lambda job: self.model.is_claimable(job, self.workers[0]))

    def _held(self, pick: int) -> tuple[Run, int]:
        """Return one of these runs and the slot of its worker."""
        if not self.held_runs():
            free = self._free()
            self.claim(0, [free[pick % len(free)].id], True, None)
        runs = self.held_runs()
        run = runs[pick % len(runs)]
        return run, self.workers.index(run.worker)

    def _claim_by_another(self, slot: int, job_id: UUID) -> Any:
        """Let the other worker have the job as soon as it is due."""
        self.let_time_pass(1, False)
        return self.claim(1 - slot, [job_id], True, None)

    @precondition(is_anything_to_do)
    @rule(target=LifeRules.runs, pick=picks, end=ends, has_begun=st.booleans())
    def freeze_be_given_up_and_thaw(self, pick: int, end: str, has_begun: bool) -> Any:
        """The job of a frozen worker goes to another one; the first one thaws and brings what it has.

        Who gave it up may have thought that it had not begun.
        """
        run, slot = self._held(pick)
        self._lose(slot, *((None, None) if has_begun else ({}, {})))
        found = self._claim_by_another(slot, run.job_id)
        self._end(run, end)
        with self.nothing_changes():
            assert lifecycle.settle([run]) == self._recorded([run])
            assert (lifecycle.release([run.job_id], run.claim), lifecycle.republish([run.job_id], run.claim)) == (0, [])
            lifecycle.record_progress({run.job_id: (run.claim, {"done": 99})})
        return found

    @precondition(is_anything_to_do)
    @rule(pick=picks, end=ends, then=st.sampled_from(["settle", "settle", "give back", "leave", "lose", "fall silent"]))
    def cancel_in_mid_run(self, pick: int, end: str, then: str) -> None:
        """A running job is cancelled, and then its run ends in one way or the other."""
        run, slot = self._held(pick)
        self.cancel([run.job_id])
        if then == "settle":
            self.settle([(run, end)], "alone", False)
        elif then == "give back":
            self.give_back(run, False, pick % 2 == 0)
        elif then == "leave":
            self.leave(slot)
        elif then == "lose":
            begun(run)
            self.lose_a_child_of_a_living_pool(slot, "lost", False)
        else:
            self.lose_a_worker_that_fell_silent(slot)

    @precondition(is_anything_to_do)
    @rule(target=LifeRules.runs, pick=picks, company=st.lists(st.booleans(), min_size=2, max_size=4))
    def lose_again_and_again(self, pick: int, company: list[bool]) -> Any:
        """A job loses its workers one after the other, sometimes alone and sometimes in company."""
        run, slot = self._held(pick)
        found: list[Run] = []
        for is_in_company in company:
            begun(run)
            self.lose_a_child_of_a_living_pool(slot, "lost", not is_in_company)
            runs = self._claim_by_another(slot, run.job_id).values
            if not runs:
                break
            found, slot = [*found, *runs], 1 - slot
            run = runs[0]
        return multiple(*found)

    @precondition(is_anything_to_do)
    @rule(pick=picks)
    def fail_to_send_an_old_message(self, pick: int) -> None:
        """A claim goes back with a new message; then the news comes that the one before could not be sent."""
        run, _ = self._held(pick)
        old = (run.job_id, self.model.jobs[run.job_id].publish_seq)
        self.give_back(run, False, True)
        with self.nothing_changes():
            assert lifecycle.unpublish([old]) == 0
