"""What a batch of ended runs writes, by columns: for the jobs and attempts, and for the statistics."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from jobs.conf import get_settings
from jobs.fingerprints import fingerprint_of, frame_of
from jobs.histograms import histogram
from jobs.host import host_identity
from jobs.lifecycle.verdict import Ending
from jobs.runs import Run
from jobs.statements import Columns
from jobs.states import FINAL, JobState, Outcome

FAILURES = frozenset({Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST})
"""Outcomes that have a fingerprint."""

SILENT = "the worker fell silent"
"""What the attempt of a worker says that nobody saw die."""


def outcome_of(run: Run, state: str) -> Outcome:
    """Return how the attempt ended, now that the job's new state is known: a cancellation may have come first."""
    outcome = run.outcome or Outcome.ERROR
    if state == JobState.CANCELLED and outcome in {Outcome.CANCELLED, Outcome.LOST}:
        return Outcome.CANCELLED
    return outcome


def runs_as_columns(
    runs: Sequence[Run], endings: Sequence[Ending], outcomes: Sequence[Outcome], pid: int
) -> Columns:
    """Return the columns for `Statements.move`, `record` and `settle_whole`."""
    return {
        **_rare_columns(runs, outcomes),
        "id": ("uuid", [run.job_id for run in runs]),
        "claim": ("bigint", [run.claim for run in runs]),
        "state": ("text", [ending.state for ending in endings]),
        "delay": ("float8", [ending.delay_seconds for ending in endings]),
        "result": ("text", [ending.result_text for ending in endings]),
        "reason": ("text", [ending.reason for ending in endings]),
        "begun": ("int", [1] * len(runs)),
        "failure": ("int", [int(ending.is_failure) for ending in endings]),
        "loss": ("int", [int(ending.is_loss) for ending in endings]),
        "number": ("int", [run.number for run in runs]),
        "outcome": ("text", [str(outcome) for outcome in outcomes]),
        "worker": ("text", [run.worker for run in runs]),
        "host": ("text", [host_identity()[:128]] * len(runs)),
        "pid": ("int", [pid] * len(runs)),
        "code_version": ("text", [get_settings().code_version] * len(runs)),
        "queue": ("text", [run.queue for run in runs]),
        "started": ("float8", [run.started_unix for run in runs]),
        "finished": ("float8", [run.finished_unix for run in runs]),
        "is_alone": ("bool", [run.is_alone for run in runs]),
        "exception_class": ("text", [run.exception_class[:255] for run in runs]),
        "message": ("text", [run.message[:1000] for run in runs]),
        "traceback": ("text", [run.traceback for run in runs]),
    }


def _rare_columns(runs: Sequence[Run], outcomes: Sequence[Outcome]) -> Columns:
    """Return the columns of failures and of logs, if there are any: what succeeds in silence pays nothing for them."""
    columns: dict[str, tuple[str, Sequence[str | None]]] = {}
    if not FAILURES.isdisjoint(outcomes):
        prints = [_fingerprint(run) if out in FAILURES else None for run, out in zip(runs, outcomes, strict=True)]
        columns["fingerprint"] = ("text", prints)
        columns["frame"] = ("text", [run.frame for run in runs])
        columns["task"] = ("text", [run.task for run in runs])
    if any(run.log for run in runs):
        logs = [run.log.text if run.log else None for run in runs]
        if any(logs):
            columns["log"] = ("text", logs)
    return columns


def _fingerprint(run: Run) -> str:
    if not run.fingerprint:
        run.frame = frame_of(run.traceback) or run.task
        run.fingerprint = fingerprint_of(run.exception_class, run.message, run.frame)
    return run.fingerprint


def statistics_as_columns(runs: Sequence[Run], states: Sequence[str], outcomes: Sequence[Outcome]) -> Columns:
    """Return the columns for `Statements.count`: one row per queue and task."""
    groups: dict[tuple[str, str], list[_Ended]] = {}
    for ended in zip(runs, states, outcomes, strict=True):
        groups.setdefault((ended[0].queue, ended[0].task), []).append(ended)
    return {
        "minute": ("float8", [group[0][0].finished_unix // 60 * 60 for group in groups.values()]),
        "queue": ("text", [queue for queue, _ in groups]),
        "task": ("text", [task for _, task in groups]),
        "counts": ("text", [_strict(_counts(group)) for group in groups.values()]),
        "histograms": ("text", [_strict(_histograms(group)) for group in groups.values()]),
    }


_Ended = tuple[Run, str, Outcome]  # with the job's new state


def _strict(value: Mapping[str, object]) -> str:
    # a row that says it was due at minus infinity must fail here, on every database, and not in the scheduler's fold
    return json.dumps(value, allow_nan=False)


def _counts(group: Sequence[_Ended]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (outcome, state), number in Counter((outcome, state) for _, state, outcome in group).items():
        names = [str(outcome)]
        if state in FINAL:
            names.append(f"state_{state}")
        elif outcome in {Outcome.ERROR, Outcome.TIMEOUT}:
            names.append("retried")
        elif outcome is Outcome.LOST:
            names.append("rescued")
        for name in names:
            counts[name] = counts.get(name, 0) + number
    if "rescued" in counts:
        silent_count = sum(run.message == SILENT and state not in FINAL for run, state, _ in group)
        counts |= {"rescued_silent": silent_count} if silent_count else {}
    return counts


def _histograms(group: Sequence[_Ended]) -> dict[str, list[object]]:
    final = [run for run, state, _ in group if state in FINAL]
    found = {
        "wait": histogram([run.wait_seconds for run, _, _ in group]),
        "run": histogram([run.run_seconds for run, _, _ in group]),
    }
    if final:
        found["completion"] = histogram([run.finished_unix - run.created_seconds for run in final])
    return found
