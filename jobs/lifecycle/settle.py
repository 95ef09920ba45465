"""Runs end: the states of their jobs, one Attempt per run and the statistics of the batch, all or nothing."""

import logging
from collections.abc import Sequence
from itertools import takewhile
from uuid import UUID

from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connections
from django.db.models.functions import Now

from jobs import events
from jobs.conf import get_settings
from jobs.definition import JobTask, registry
from jobs.errors import UnknownTask
from jobs.failpoints import reach
from jobs.lifecycle.counting import count_each
from jobs.lifecycle.tally import outcome_of, runs_as_columns, statistics_as_columns
from jobs.lifecycle.verdict import Ending, judge, judge_loss, judge_unknown
from jobs.models import Attempt, Job
from jobs.runs import Run
from jobs.statements import ledger_statement, ledger_transaction
from jobs.states import JobState, Outcome

logger = logging.getLogger("jobs.lifecycle")

_UNKNOWN_ATTEMPTS = 1000

# what databases refuse, and what their drivers and the JSON encoder refuse before anything is sent
UNSTORABLE = (DataError, IntegrityError, ValueError, TypeError, OverflowError)
UNRECORDED = "the end of its run could not be recorded"


def settle(runs: Sequence[Run], *, pid: int = 0) -> dict[UUID, str]:
    """Record ended runs and move their jobs on; return the state of the jobs of which the ledger has just this run.

    A run whose claim is gone changes nothing: somebody got there first. Data that cannot be stored is settled job by
    job, so that one bad row does not harm its batch: as an error, and if that cannot be stored either, as a dead letter
    without a history of this run. So every job ends, whatever its task or its row holds.

    Raises: OperationalError, InterfaceError if the ledger is away; the caller settles the same runs again then,
    and a run that had been recorded before the connection broke counts as settled.
    """
    if not runs:
        return {}
    try:
        states = _settle_batch(runs, pid)
    except UNSTORABLE:
        if len(runs) > 1:
            logger.warning("a batch of %d runs was refused; settling one by one", len(runs), exc_info=True)
            return {job_id: state for run in runs for job_id, state in settle([run], pid=pid).items()}
        states = _settle_unstorable(runs[0], pid)
    for run in runs:
        run.is_settled = True
    return states


def _settle_unstorable(run: Run, pid: int) -> dict[UUID, str]:
    logger.exception("what the run of %s left cannot be stored; its result is dropped", run.job_id)
    run.outcome, run.result_text, run.traceback = Outcome.ERROR, None, ""
    run.message, run.log, run.fingerprint = "the result or traceback could not be stored", None, ""
    try:
        return _settle_batch([run], pid)
    except UNSTORABLE:
        logger.exception("the end of the run of %s cannot be recorded; the job becomes a dead letter", run.job_id)
        return _bury(run)


def _bury(run: Run) -> dict[UUID, str]:
    """End a job with nothing of its run: were it left running, its worker would try to settle it for ever."""
    database = get_settings().database
    with ledger_transaction():
        mine = Job.objects.using(database).filter(id=run.job_id, state=JobState.RUNNING, claim=run.claim)
        if not mine.update(
            state=JobState.DEAD, reason=UNRECORDED, finished_at=Now(), result=None, claim=None, claimed_at=None
        ):
            return {}
        count_each((name, run.queue, run.task) for name in ("state_dead", "unrecorded"))
        _announce([run], [JobState.DEAD], [outcome_of(run, JobState.DEAD)])
    return {run.job_id: JobState.DEAD.value}


def _settle_batch(runs: Sequence[Run], pid: int) -> dict[UUID, str]:
    # sorted, so that two batches over the same rows lock them in the same order
    runs = sorted(runs, key=lambda run: run.job_id)
    endings = [_judge(run) for run in runs]
    reach("settle.judged")
    states = _settle_whole(runs, endings, pid)
    return _settle_in_steps(runs, endings, pid) if states is None else states


def _settle_whole(runs: Sequence[Run], endings: Sequence[Ending], pid: int) -> dict[UUID, str] | None:
    """Settle in one statement, which needs every claim to hold; None if one does not, or a job is to be cancelled."""
    if connections[get_settings().database].in_atomic_block:
        return None  # a statement that undoes itself would end the caller's transaction
    states = [ending.state for ending in endings]
    outcomes = [outcome_of(run, state) for run, state in zip(runs, states, strict=True)]
    columns = runs_as_columns(runs, endings, outcomes, pid)
    with ledger_statement() as statements:
        if not statements.settle_whole(columns, statistics_as_columns(runs, states, outcomes)):
            return None
    _announce(runs, states, outcomes)
    return {run.job_id: state for run, state in zip(runs, states, strict=True)}


def _settle_in_steps(runs: Sequence[Run], endings: Sequence[Ending], pid: int) -> dict[UUID, str]:
    with ledger_transaction() as statements:
        moved = statements.move(runs_as_columns(runs, endings, [outcome_of(run, "") for run in runs], pid))
        recorded = _already_mine([run for run in runs if run.job_id not in moved])
        if not moved:
            return recorded
        reach("settle.moved")
        mine = [(run, ending) for run, ending in zip(runs, endings, strict=True) if run.job_id in moved]
        runs, endings = [run for run, _ in mine], [ending for _, ending in mine]
        states = [moved[run.job_id] for run in runs]
        outcomes = [outcome_of(run, state) for run, state in zip(runs, states, strict=True)]
        statements.record(runs_as_columns(runs, endings, outcomes, pid))
        reach("settle.recorded")
        statements.count(statistics_as_columns(runs, states, outcomes))
        reach("settle.counted")
        _announce(runs, states, outcomes)
    return recorded | moved


def _judge(run: Run) -> Ending:
    if run.outcome is Outcome.SUCCESS:
        return judge(run, None)
    task: JobTask | None = registry.get(run.task) if run.task in registry else None
    if run.outcome is Outcome.LOST:
        return judge_loss(run, is_poison=_is_poison(run))
    if isinstance(run.error, UnknownTask):
        return judge_unknown(run, _known_not_seconds(run), get_settings().unknown_task_seconds)
    waited = 0.0
    if task and getattr(task.retry, "max_total_seconds", None) is not None and run.failure_count:
        first = Attempt.objects.filter(job_id=run.job_id, number=1).values_list("started_at", flat=True).first()
        waited = run.finished_unix - first.timestamp() if first else 0.0
    return judge(run, task, waited)


def _known_not_seconds(run: Run) -> float:
    """Return for how long no worker has known the run's task; 0 for the first that does not."""
    history = Attempt.objects.filter(job_id=run.job_id, number__lt=run.number).order_by("-number")
    rows = history.values_list("exception_class", "started_at")[:_UNKNOWN_ATTEMPTS]
    unknown = [at for _, at in takewhile(lambda row: row[0] == run.exception_class, rows)]
    return run.finished_unix - unknown[-1].timestamp() if unknown else 0.0


def _is_poison(run: Run) -> bool:
    limit = get_settings().poison_losses
    if not run.is_alone or run.loss_count + 1 < limit:
        return False
    lost = Attempt.objects.filter(job_id=run.job_id, outcome=Outcome.LOST).order_by("-number")
    recent = list(lost.values_list("is_alone", flat=True)[: run.loss_count])
    return 1 + sum(recent) >= limit


def _already_mine(runs: Sequence[Run]) -> dict[UUID, str]:
    """Tell which runs had been recorded by an earlier try whose reply was lost."""
    if not runs:
        return {}
    # the same claim with another end was written by whoever gave this worker up: that run is not mine any more
    ends = {(run.job_id, run.claim, str(run.outcome)) for run in runs}
    known = Attempt.objects.filter(
        job_id__in={job_id for job_id, _, _ in ends}, claim__in={claim for _, claim, _ in ends}
    )
    mine = [row[0] for row in known.values_list("job_id", "claim", "outcome") if row in ends]
    return dict(Job.objects.filter(id__in=mine).values_list("id", "state"))


def _announce(runs: Sequence[Run], states: Sequence[str], outcomes: Sequence[Outcome]) -> None:
    changes = tuple(
        events.Change(run.job_id, run.task, run.queue, state, str(outcome), run.number, run.run_seconds)
        for run, state, outcome in zip(runs, states, outcomes, strict=True)
    )
    events.emit_on_commit(events.JobsSettled(runs[0].worker, changes))


def is_ledger_away(error: BaseException) -> bool:
    """Tell whether a database error means that the connection or the server is gone, not that the data is bad."""
    return isinstance(error, OperationalError | InterfaceError)


def drop_connection() -> None:
    """Close this thread's connection to the ledger, so that the next statement opens a fresh one."""
    connections[get_settings().database].close()
