"""Many hands on the same few jobs at once: no order of events between connections breaks a law of the ledger."""

import os
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from jobs import lifecycle
from jobs.lifecycle.due import promote_due
from jobs.models import Attempt, Job, Worker
from jobs.reconciler import Reconciler
from jobs.states import UNFINISHED
from jobs.transports.memory import MemoryTransport
from tests.engine.threads import at_once
from tests.factories import ended, make_worker
from tests.figures import Figures
from tests.properties import laws, moves
from tests.properties.actors import Actor, Stage
from tests.properties.tasks import MAX_ATTEMPTS

ACTORS = {"postgresql": 5, "sqlite": 3}
ROUNDS, STEPS = 4, 60
DEEP_ROUNDS = 60


def seeds(is_deep: bool) -> range:
    """Return the seeds of this run: those from QUEUEHUB_RACE_SEED on, or by chance."""
    first = int(os.environ.get("QUEUEHUB_RACE_SEED", random.randrange(10**6)))
    return range(first, first + (DEEP_ROUNDS if is_deep else ROUNDS))


@pytest.mark.timeout(3600)
def test_many_hands_at_once_break_no_law(
    ledger: None, transport: MemoryTransport, is_deep: bool, figures: Figures
) -> None:
    for seed in seeds(is_deep):
        figures.add(seed=seed)
        moves.empty_ledger()
        transport.lose_all()
        stage = Stage()
        actors = [Actor(stage, f"{seed} {number}") for number in range(ACTORS[connection.vendor])]
        actors[0].enqueue()
        at_once(len(actors), _work_of(actors))
        check(stage)
        drain(stage)
        check(stage)
        stage.add_to(figures)


def _work_of(actors: Sequence[Actor]) -> Callable[[int], None]:
    return lambda number: actors[number].act(STEPS)


def check(stage: Stage) -> None:
    """Check every law, and that just those runs are recorded of which a worker was told so."""
    jobs, attempts = list(Job.objects.all()), list(Attempt.objects.all())
    made, _ = moves.moves()
    laws.check_rows(jobs)
    laws.check_attempts(jobs, attempts)
    laws.check_runs(jobs, attempts, made, MAX_ATTEMPTS)
    laws.check_statistics(attempts, made, jobs)
    assert laws.check_moves(made, {}) == {job.id: job.state for job in jobs}
    assert {job.id for job in jobs} == set(stage.jobs), "an enqueue that was acknowledged is lost"
    recorded = {(attempt.job_id, attempt.claim, attempt.outcome) for attempt in attempts}
    for run, is_accepted in stage.settled:
        assert ((run.job_id, run.claim, str(run.outcome)) in recorded) == is_accepted, run
        assert is_accepted or run.worker in stage.given_up, "a living worker was robbed of its claim"


def drain(stage: Stage) -> None:
    """End what the actors left: every worker is gone, what it held is rescued, and one good worker does the rest."""
    watch = Reconciler()
    for worker in Worker.objects.living():
        lifecycle.lose_worker(worker.id)
    watch.repair_workers()  # finds claims that were on their way when their worker was given up,
    watch.repair_workers()  # and is sure of it in its second round
    assert not Job.objects.running().exists()
    make_worker("last")
    while Job.objects.filter(state__in=UNFINISHED).exists():
        Job.objects.filter(state__in=["scheduled", "retrying"]).update(due_at=Now() - timedelta(seconds=1))
        Job.objects.filter(state="queued").update(expires_at=None)
        promote_due()
        ids = list(Job.objects.queued().values_list("id", flat=True))
        runs = lifecycle.claim(ids, worker="last", is_alone=True)
        assert len(runs) == len(ids)
        stage.settled += [(run, True) for run in runs]
        lifecycle.settle([ended(run, result_text='"done"') for run in runs])
