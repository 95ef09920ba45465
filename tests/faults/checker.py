"""The checker: compares what was acknowledged, what ran, and what the ledger says.

After K. Kingsbury's total-queue checker (Jepsen), with the ledger as a third record. Everything here is arithmetic
over values; `evidence.py` reads them from logs and databases.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FINAL = {"succeeded", "dead", "cancelled"}
NOT_COUNTED = {"lost", "cancelled", "snoozed"}
"""Outcomes of attempts that take nothing from `max_attempts`."""

DISPATCH_LIMIT_SECONDS = 2.0
RECOVERY_LIMIT_SECONDS = 60.0
DETECTION_LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class LedgerAttempt:
    """One row of the history."""

    number: int
    outcome: str
    has_traceback: bool = False
    said: str = ""
    """The exception, for whoever has to find out why."""


@dataclass(frozen=True)
class LedgerJob:
    """One row of the ledger, with its attempts."""

    key: str
    state: str
    max_attempts: int = 5
    attempts: tuple[LedgerAttempt, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """The three records of one run. Times are readings of one monotonic clock, in seconds."""

    meant: frozenset[str]
    acknowledged: Mapping[str, float]
    undone: frozenset[str]
    began: Mapping[str, tuple[float, ...]]
    ended: Mapping[str, int]
    jobs: tuple[LedgerJob, ...]
    effects: Mapping[str, int] = field(default_factory=dict)
    """How often each exactly-once effect stands in the database."""


@dataclass
class Report:
    """What the records say; `problems()` is empty if every promise was kept."""

    acknowledged: int = 0
    succeeded: int = 0
    dead: int = 0
    lost: list[str] = field(default_factory=list)
    """Acknowledged, but not in the ledger, or not in a final state."""

    unfinished: list[str] = field(default_factory=list)
    """Never acknowledged, but in the ledger, and not in a final state."""

    unexpected: list[str] = field(default_factory=list)
    """Ran, or stands in the ledger, although it was rolled back or never meant."""

    accepted_twice: list[str] = field(default_factory=list)
    wrong_end: list[str] = field(default_factory=list)
    """Final, but not in the state in which such a job has to end."""

    not_run: list[str] = field(default_factory=list)
    """Succeeded without a run that came to its end."""

    unrecorded: list[str] = field(default_factory=list)
    """More runs than attempts in the history, or more failures than allowed."""

    without_traceback: list[str] = field(default_factory=list)
    runs_per_job: float = 0.0
    runs_per_job_max: int = 0
    run_twice: int = 0
    """Jobs that ran more than once without having failed: at least once is what is promised."""

    dispatch_p99_seconds: float | None = None
    """From the acknowledgement to the first run, for jobs enqueued while nothing was amiss."""

    dispatch_max_seconds: float | None = None
    """The longest such time of all jobs, fault or not."""

    recovery_seconds: float | None = None
    """From the end of the fault until jobs that are enqueued start within two seconds again."""

    detection_seconds: float | None = None

    def problems(self, *, has_limits: bool = True) -> list[str]:
        """Say which promises were broken, one sentence each, with examples.

        `has_limits` is False where several faults meet: how long that takes is measured, and not promised.
        """
        found = []
        for name in ("lost", "unfinished", "unexpected", "accepted_twice", "wrong_end", "not_run", "unrecorded",
                     "without_traceback"):  # fmt: skip
            keys: list[str] = getattr(self, name)
            if keys:
                found.append(f"{len(keys)} {name.replace('_', ' ')}: {', '.join(keys[:5])}")
        for name, limit in {
            "dispatch_p99_seconds": DISPATCH_LIMIT_SECONDS,
            "recovery_seconds": RECOVERY_LIMIT_SECONDS,
            "detection_seconds": DETECTION_LIMIT_SECONDS,
        }.items():
            value = getattr(self, name)
            if has_limits and value is not None and value > limit:
                found.append(f"{name} is {value:.2f}, the limit is {limit}")
        if not self.acknowledged:
            found.append("nothing was acknowledged, so nothing is shown")
        return found

    def figures(self) -> dict[str, Any]:
        """Return the numbers for the record: lists as counts, seconds with three places."""
        values = {}
        for name, value in asdict(self).items():
            value = len(value) if isinstance(value, list) else value
            values[name] = round(value, 3) if isinstance(value, float) else value
        return values


def check(
    evidence: Evidence,
    faults: Iterable[tuple[float, float]] = (),
    *,
    ends: Mapping[str, frozenset[str]] | None = None,
    detection_seconds: float | None = None,
) -> Report:
    """Compare the records of one run.

    `faults` are the times in which something was amiss, as (begin, end). `ends` says in which states jobs of a kind
    (the first word of the key) may end, beside the usual: `fail` ends dead, any other succeeds.
    """
    report = Report(acknowledged=len(evidence.acknowledged), detection_seconds=detection_seconds)
    states = Counter(job.state for job in evidence.jobs)
    report.succeeded, report.dead = states["succeeded"], states["dead"]
    _compare_enqueues(evidence, report)
    for job in evidence.jobs:
        _check_job(job, evidence, report, {"fail": frozenset({"dead"}), **(ends or {})})
    _measure_runs(evidence, report)
    _measure_dispatch(evidence, list(faults), report)
    return report


def _compare_enqueues(evidence: Evidence, report: Report) -> None:
    rows = Counter(job.key for job in evidence.jobs)
    final = {job.key for job in evidence.jobs if job.state in FINAL}
    report.lost = sorted(key for key in evidence.acknowledged if key not in final)
    report.unfinished = sorted(rows.keys() - final - evidence.acknowledged.keys())
    report.unexpected = sorted(
        key for key in evidence.began.keys() | rows.keys() if key in evidence.undone or key not in evidence.meant
    )
    # One enqueue is one row; two rows of one key are two acceptances of one job.
    report.accepted_twice = sorted(key for key, count in rows.items() if count > 1)


def _check_job(job: LedgerJob, evidence: Evidence, report: Report, ends: Mapping[str, frozenset[str]]) -> None:
    outcomes = Counter(attempt.outcome for attempt in job.attempts)
    numbers = {attempt.number for attempt in job.attempts}
    effect_count = evidence.effects.get(job.key, 0)
    if outcomes["success"] > 1 or len(numbers) < len(job.attempts) or effect_count > 1:
        report.accepted_twice.append(job.key)
    kind = job.key.partition("-")[0]
    if job.state in FINAL and job.state not in ends.get(kind, frozenset({"succeeded"})):
        said = job.attempts[-1].said if job.attempts else "never ran"
        report.wrong_end.append(f"{job.key} ({job.state}: {said})")
    if job.state == "succeeded":
        has_effect = effect_count == 1 or kind != "effect"
        if not evidence.ended.get(job.key) or outcomes["success"] != 1 or not has_effect:
            report.not_run.append(job.key)
    counted = sum(count for outcome, count in outcomes.items() if outcome not in NOT_COUNTED)
    # An operator who revives a job gives it fresh attempts; such kinds may end cancelled, too.
    is_limited = "cancelled" not in ends.get(kind, ())
    if len(evidence.began.get(job.key, ())) > len(job.attempts) or (is_limited and counted > job.max_attempts):
        report.unrecorded.append(job.key)
    if any(attempt.outcome == "error" and not attempt.has_traceback for attempt in job.attempts):
        report.without_traceback.append(job.key)


def _measure_runs(evidence: Evidence, report: Report) -> None:
    counts = [len(times) for times in evidence.began.values()]
    failures = {
        job.key: sum(attempt.outcome in ("error", "timeout") for attempt in job.attempts) for job in evidence.jobs
    }
    report.runs_per_job = sum(counts) / len(counts) if counts else 0.0
    report.runs_per_job_max = max(counts, default=0)
    report.run_twice = sum(len(times) > 1 + failures.get(key, 0) for key, times in evidence.began.items())


def _measure_dispatch(evidence: Evidence, faults: list[tuple[float, float]], report: Report) -> None:
    waits = sorted(
        (at, max(0.0, min(evidence.began[key]) - at))
        for key, at in evidence.acknowledged.items()
        if evidence.began.get(key)
    )
    if not waits:
        return
    report.dispatch_max_seconds = max(wait for _, wait in waits)
    amiss_until = -math.inf
    if faults:
        begin, end = min(begin for begin, _ in faults), max(end for _, end in faults)
        late = [at + wait for at, wait in waits if at >= end and wait > DISPATCH_LIMIT_SECONDS]
        amiss_until = max(late, default=end)
        report.recovery_seconds = amiss_until - end
        waits = [(at, wait) for at, wait in waits if at < begin - DISPATCH_LIMIT_SECONDS or at >= amiss_until]
    report.dispatch_p99_seconds = percentile([wait for _, wait in waits], 0.99)


def percentile(values: list[float], share: float) -> float | None:
    """Return the nearest-rank percentile of `values`, None if there are none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None
