"""Threads that do random things to the same few jobs at once, each with a connection of its own and its own seed.

An actor does what the processes of a site do, and treats errors as these do: a worker settles again what the ledger
could not take, housekeeping comes back in its next round. Everything else must not fail.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from uuid import UUID

from django.db import OperationalError
from django.db.models.functions import Now

from jobs import dispatcher, lifecycle, reconciler, statistics
from jobs.lifecycle import Remains, operate
from jobs.lifecycle.due import expire, promote_due
from jobs.models import Job
from jobs.runs import Run
from tests.factories import begun, ended, make_worker
from tests.figures import Figures
from tests.properties.enqueue_rules import QUEUES
from tests.properties.tasks import work
from tests.properties.worker_rules import LEFT, RUNS

KEYS = (None, None, "a", "b")
FEW = 10
"""How many of the newest jobs everybody is after."""

PAST = Now() - timedelta(seconds=1)
SETTLE_TRIES = 50


@dataclass
class Stage:
    """What the actors share: the jobs, the workers, and what was answered to whom."""

    jobs: list[UUID] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    settled: list[tuple[Run, bool]] = field(default_factory=list)  # a run that has ended, and whether it was accepted
    given_up: set[str] = field(default_factory=set)  # workers that somebody declared lost
    postponed: Counter[str] = field(default_factory=Counter)  # what housekeeping left for its next round, and why
    lock: Lock = field(default_factory=Lock)

    def add_to(self, figures: Figures) -> None:
        """Say how much happened: whoever breaks nothing because he does nothing proves nothing."""
        known = figures.values
        refused = sum(not is_accepted for _, is_accepted in self.settled)
        for name, count in (
            ("jobs", len(self.jobs)), ("runs", len(self.settled)), ("refused", refused),
            ("workers", len(self.workers)), ("postponed", self.postponed.total()),
        ):  # fmt: skip
            figures.add(**{name: int(known.get(name, 0)) + count})

    def enrol(self) -> str:
        """Add a fresh worker."""
        with self.lock:
            name = f"worker-{len(self.workers)}"
            self.workers.append(name)
        return make_worker(name).id


class Actor:
    """One thread: a worker, and by turns a caller, an operator, a scheduler and a reconciler."""

    def __init__(self, stage: Stage, seed: str) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        self.worker = stage.enrol()
        self.held: list[Run] = []
        self.verbs: list[Callable[[], object]] = [
            self.enqueue, self.enqueue, self.claim, self.claim, self.claim, self.claim_waiting, self.claim_stale,
            self.settle, self.settle, self.settle, self.settle, self.give_back, self.cancel, self.revive, self.discard,
            self.lose, self.let_delays_pass, self.publish, self.unpublish, self.pause, self.keep_house,
        ]  # fmt: skip

    def act(self, steps: int) -> None:
        """Take so many random steps, then end what is still in hand."""
        for _ in range(steps):
            self.random.choice(self.verbs)()
        while self.held:
            self.settle()

    def _some(self, most: int = 4) -> list[UUID]:
        jobs = self.stage.jobs[-FEW:]
        return self.random.sample(jobs, min(self.random.randint(1, most), len(jobs)))

    def _later(self, verb: Callable[[], object]) -> object:
        """Do what is done again in a later round if the ledger is busy."""
        try:
            return verb()
        except OperationalError as error:
            self.stage.postponed[_said(error)] += 1
            return None

    # -- callers and operators: they do not try again ------------------------------------------------------------

    def enqueue(self) -> None:
        rows = [
            Job(
                task=work.module_path,
                args=[0],
                queue=self.random.choice(QUEUES),
                max_attempts=self.random.randint(1, 3),
                unique_key=self.random.choice(KEYS),
            )
            for _ in range(self.random.randint(1, 3))
        ]
        made = Job.objects.bulk_create(rows)
        self.stage.jobs += [job.id for job in made if not job.is_duplicate]

    def cancel(self) -> None:
        operate.cancel(self._some(), actor="test")

    def revive(self) -> None:
        operate.revive(self._some(8), actor="test")

    def discard(self) -> None:
        operate.discard(self._some(8), actor="test")

    def pause(self) -> None:
        queue = self.random.choice(QUEUES)
        operate.pause_queue(queue, actor="test")
        operate.resume_queue(queue, actor="test")

    # -- a worker ------------------------------------------------------------------------------------------------

    def _take(self, claim: Callable[[], Sequence[Run]]) -> None:
        runs = self._later(claim)
        for run in runs if isinstance(runs, list) else []:
            self.held.append(begun(run) if self.random.random() < 0.7 else run)

    def claim(self) -> None:
        is_alone = self.random.random() < 0.5
        ids = self._some(6)
        self._take(lambda: lifecycle.claim(ids, worker=self.worker, is_alone=is_alone))

    def claim_waiting(self) -> None:
        is_suspect = self.random.random() < 0.3
        self._take(lambda: lifecycle.claim_waiting(QUEUES, 3, worker=self.worker, is_suspect=is_suspect))

    def claim_stale(self) -> None:
        self._take(lambda: lifecycle.claim_stale(None, 3, worker=self.worker, older_than_seconds=0.0))

    def settle(self) -> None:
        self.random.shuffle(self.held)
        # an answer goes by jobs, and a worker that was given up may hold an old run of what the next one runs
        runs = [run for run in self.held if run.worker == self.held[0].worker][:4]
        self.held = [run for run in self.held if run not in runs]
        for run in runs:
            ended(run, **RUNS[self.random.choice(list(RUNS))], message=f"ended by {self.worker}")
        self._settle(runs)
        if runs and self.random.random() < 0.2:  # the reply was lost
            self._settle(runs)

    def _settle(self, runs: Sequence[Run]) -> None:
        for tries_left in reversed(range(SETTLE_TRIES)):
            try:
                answer = lifecycle.settle(runs)
                break
            except OperationalError as error:
                self.stage.postponed[_said(error)] += 1
                if not tries_left:
                    raise
                time.sleep(0.01)
        self.stage.settled += [(run, run.job_id in answer) for run in runs]

    def give_back(self) -> None:
        if self.held:
            run = self.held.pop(self.random.randrange(len(self.held)))
            verb = self.random.choice([lifecycle.release, lifecycle.republish])
            self._later(lambda: verb([run.job_id], run.claim))

    # -- the scheduler, the dispatcher and the reconcilers -------------------------------------------------------

    def lose(self) -> None:
        """Declare some worker lost, be it alive or not, as a reconciler or as its pool's parent."""
        victim = self.random.choice(self.stage.workers[-6:])
        left = None
        if self.random.random() < 0.5:
            held = list(lifecycle.claims_of(victim))
            now = time.monotonic()
            left = {
                job_id: Remains(LEFT[self.random.choice(list(LEFT))], "gone", now - 1, now, self.random.random() < 0.5)
                for job_id in self.random.sample(held, self.random.randint(0, len(held)))
            }
        self.stage.given_up.add(victim)
        self._later(lambda: lifecycle.lose_worker(victim, remains=left))
        if not lifecycle.heartbeat([(self.worker, "[]", 0)]):
            self.worker = self.stage.enrol()  # what the old one holds is a thawed worker's now

    def let_delays_pass(self) -> None:
        for job_id in self._some(FEW):  # row by row: the test's own statement must not be what deadlocks
            Job.objects.filter(state__in=["scheduled", "retrying"], id=job_id).update(due_at=PAST)
        self._later(promote_due)

    def publish(self) -> None:
        self._later(dispatcher.top_up)

    def unpublish(self) -> None:
        refs = list(Job.objects.filter(id__in=self._some(10)).values_list("id", "publish_seq"))
        self.random.shuffle(refs)
        self._later(lambda: lifecycle.unpublish(refs))
        ids = self._some(6)
        self._later(lambda: lifecycle.announce_again(ids))

    def keep_house(self) -> None:
        Job.objects.filter(state="queued", id=self._some(1)[0]).update(expires_at=PAST)
        for duty in (expire, statistics.fold, reconciler.repair_messages):
            self._later(duty)


def _said(error: OperationalError) -> str:
    return str(error).partition("\n")[0]
