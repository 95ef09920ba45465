"""Runs end: the states of their jobs, one Attempt per run and the statistics of the batch, in one transaction."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connections

from jobs import events
from jobs.conf import get_settings
from jobs.definition import JobTask, registry
from jobs.histograms import histogram
from jobs.host import host_identity
from jobs.lifecycle.verdict import judge, judge_loss
from jobs.models import Attempt, Job, Statistic
from jobs.runs import Run
from jobs.statements import Ending, ledger_transaction
from jobs.states import FINAL, JobState, Outcome

logger = logging.getLogger("jobs.lifecycle")


def settle(runs: Sequence[Run], *, pid: int = 0) -> dict[UUID, str]:
    """Record ended runs and move their jobs on; return the new state of those whose claim still held.

    A run whose claim is gone changes nothing: somebody got there first. Data that the database refuses is settled
    job by job, so that one bad row does not harm its batch.

    Raises: OperationalError, InterfaceError if the ledger is away; the caller settles the same runs again then,
    and a run that had been recorded before the connection broke counts as settled.
    """
    if not runs:
        return {}
    try:
        states = _settle_batch(runs, pid)
    except (DataError, IntegrityError):
        if len(runs) == 1:
            states = _settle_unstorable(runs[0], pid)
        else:
            logger.warning("a batch of %d runs was refused; settling one by one", len(runs), exc_info=True)
            return {job_id: state for run in runs for job_id, state in settle([run], pid=pid).items()}
    for run in runs:
        run.is_settled = True
    return states


def _settle_unstorable(run: Run, pid: int) -> dict[UUID, str]:
    logger.exception("what the run of %s left cannot be stored; its result is dropped", run.job_id)
    run.outcome, run.result_text, run.traceback = Outcome.ERROR, None, ""
    run.message = "the result or traceback could not be stored"
    return _settle_batch([run], pid)


def _settle_batch(runs: Sequence[Run], pid: int) -> dict[UUID, str]:
    with ledger_transaction() as statements:
        endings = [_judge(run) for run in runs]
        states = statements.settle(endings)
        if not states:
            return _already_mine(runs)
        mine = [run for run in runs if run.job_id in states]
        statements.append_attempts([_attempt_row(run, states[run.job_id], pid) for run in mine])
        _append_statistics(mine, states)
        _announce(mine, states)
    return states


def _judge(run: Run) -> Ending:
    task: JobTask | None = registry.get(run.task) if run.task in registry else None
    if run.outcome is Outcome.LOST:
        return judge_loss(run, is_poison=_is_poison(run))
    waited = 0.0
    if task and getattr(task.retry, "max_total_seconds", None) is not None and run.failure_count:
        first = Attempt.objects.filter(job_id=run.job_id, number=1).values_list("started_at", flat=True).first()
        waited = (run.finished_at - first).total_seconds() if first else 0.0
    return judge(run, task, waited)


def _is_poison(run: Run) -> bool:
    limit = get_settings().poison_losses
    if not run.is_alone or run.loss_count + 1 < limit:
        return False
    lost = Attempt.objects.filter(job_id=run.job_id, outcome=Outcome.LOST).order_by("-number")
    recent = list(lost.values_list("is_alone", flat=True)[: run.loss_count])
    return 1 + sum(recent) >= limit


def _already_mine(runs: Sequence[Run]) -> dict[UUID, str]:
    """Tell which runs had been recorded by an earlier try whose reply was lost."""
    mine = []
    ends = {run.job_id: (run.claim, str(run.outcome)) for run in runs}
    for job_id, claim, outcome in Attempt.objects.filter(
        job_id__in=list(ends), claim__in={claim for claim, _ in ends.values()}
    ).values_list("job_id", "claim", "outcome"):
        # the same claim with another end was written by whoever gave this worker up: that run is not mine any more
        if ends[job_id] == (claim, outcome):
            mine.append(job_id)
    return dict(Job.objects.filter(id__in=mine).values_list("id", "state"))


_CODE_VERSION = ""


def _attempt_row(run: Run, state: str, pid: int) -> tuple[Any, ...]:
    outcome = run.outcome or Outcome.ERROR
    if state == JobState.CANCELLED and outcome in {Outcome.CANCELLED, Outcome.LOST}:
        outcome = Outcome.CANCELLED
    return (
        run.job_id, run.number, str(outcome), run.claim, run.worker, host_identity(), pid, _CODE_VERSION, run.queue,
        run.started_at, max(run.finished_at, run.started_at), run.is_alone, run.exception_class[:255],
        run.message[:1000], run.traceback,
    )  # fmt: skip


def _append_statistics(runs: Sequence[Run], states: dict[UUID, str]) -> None:
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.queue, run.task), []).append(run)
    Statistic.objects.using(get_settings().database).bulk_create(
        [
            Statistic(
                minute_at=group[0].finished_at.replace(second=0, microsecond=0),
                queue=queue,
                task=task,
                counts=_counts(group, states),
                histograms=_histograms(group, states),
            )
            for (queue, task), group in groups.items()
        ]
    )


def _counts(runs: Sequence[Run], states: dict[UUID, str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for run in runs:
        state = states[run.job_id]
        names = [str(run.outcome)]
        if state in FINAL:
            names.append(f"state_{state}")
        elif run.outcome in {Outcome.ERROR, Outcome.TIMEOUT}:
            names.append("retried")
        elif run.outcome is Outcome.LOST:
            names.append("rescued")
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _histograms(runs: Sequence[Run], states: dict[UUID, str]) -> dict[str, Any]:
    final = [run for run in runs if states[run.job_id] in FINAL]
    found = {
        "wait": histogram(run.wait_seconds for run in runs),
        "run": histogram(run.run_seconds for run in runs),
    }
    if final:
        found["completion"] = histogram((run.finished_at - run.created_at).total_seconds() for run in final)
    return found


def _announce(runs: Sequence[Run], states: dict[UUID, str]) -> None:
    changes = tuple(
        events.Change(run.job_id, run.task, run.queue, states[run.job_id], str(run.outcome), run.number)
        for run in runs
    )
    events.emit_on_commit(events.JobsSettled(runs[0].worker, changes))


def is_ledger_away(error: BaseException) -> bool:
    """Tell whether a database error means that the connection or the server is gone, not that the data is bad."""
    return isinstance(error, OperationalError | InterfaceError)


def drop_connection() -> None:
    """Close this thread's connection to the ledger, so that the next statement opens a fresh one."""
    connections[get_settings().database].close()
