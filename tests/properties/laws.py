"""What must hold of the ledger at any moment, whatever led to it. Nothing here knows a model.

Each law reads the ledger alone: its rows, and the moves that the database itself has noted.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from jobs import statistics
from jobs.models import Attempt, Job
from jobs.states import FINAL, UNFINISHED, JobState, Outcome, is_legal
from tests.properties.moves import Move

UNCOUNTED = {Outcome.LOST, Outcome.CANCELLED, Outcome.SNOOZED}
FAILURES = {Outcome.ERROR, Outcome.TIMEOUT}


def check_rows(jobs: Sequence[Job]) -> None:
    """Check what a row says about itself, and that no two unfinished ones share a key."""
    for job in jobs:
        assert (job.state in FINAL) == (job.finished_at is not None), job.id
        is_claimed = (job.claim is not None, job.claimed_at is not None)
        assert is_claimed == ((job.state == JobState.RUNNING,) * 2), job.id
        assert job.published_at is None or job.state == JobState.QUEUED, job.id
        assert (job.result is not None) == (job.state == JobState.SUCCEEDED), job.id
        assert not job.cancel_requested_at or job.state in {JobState.RUNNING, *FINAL}, job.id
        assert job.max_attempts is None or job.failure_count <= job.max_attempts, job.id
    keys = Counter(job.unique_key for job in jobs if job.unique_key and job.state in UNFINISHED)
    assert all(count == 1 for count in keys.values()), keys


def check_attempts(jobs: Sequence[Job], attempts: Sequence[Attempt]) -> None:
    """Check that each run that began has one end, and that no job ran more often than it may."""
    by_job: dict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_job[attempt.job_id].append(attempt)
    for job in jobs:
        own = by_job.pop(job.id, [])
        assert sorted(attempt.number for attempt in own) == list(range(1, job.attempt + 1)), job.id
        claims = [attempt.claim for attempt in own]
        assert len(set(claims)) == len(claims), f"two ends of one claim of {job.id} were accepted"
        assert job.claim not in claims, job.id
        assert [attempt.outcome for attempt in own].count(Outcome.SUCCESS) == (job.state == JobState.SUCCEEDED)
    assert not by_job, "attempts without a job"


def check_runs(jobs: Sequence[Job], attempts: Sequence[Attempt], moves: Sequence[Move], limit: int) -> None:
    """Check that jobs ran at most max_attempts times, plus once for each loss, return and snooze.

    `limit` is what a job without max_attempts may do. A revival gives a job its attempts anew.
    """
    revivals = Counter(job_id for job_id, source, target in moves if source in FINAL and target not in FINAL)
    counted = Counter(attempt.job_id for attempt in attempts if attempt.outcome not in UNCOUNTED)
    failed = Counter(attempt.job_id for attempt in attempts if attempt.outcome in FAILURES)
    lost = Counter(attempt.job_id for attempt in attempts if attempt.outcome == Outcome.LOST)
    for job in jobs:
        assert counted[job.id] <= (job.max_attempts or limit) * (1 + revivals[job.id]), job.id
        if not revivals[job.id]:
            assert failed[job.id] == job.failure_count, job.id
            # the loss of a job that is being cancelled stands in its history as cancelled
            assert 0 <= job.loss_count - lost[job.id] <= (job.state == JobState.CANCELLED), job.id


def check_moves(moves: Sequence[Move], states: dict[UUID, str]) -> dict[UUID, str]:
    """Check that each move is legal and begins where the last one ended; return where each job stands after them."""
    states = dict(states)
    for job_id, source, target in moves:
        assert states.get(job_id, "") == source, (job_id, source, target)
        assert not source or is_legal(source, target), (job_id, source, target)
        states[job_id] = target
    return states


def check_statistics(attempts: Sequence[Attempt], moves: Sequence[Move], jobs: Sequence[Job]) -> None:
    """Check that the totals are what was settled and moved; for a ledger of which nothing was deleted."""
    queues = {job.id: job.queue for job in jobs}
    expected: Counter[tuple[str, str]] = Counter((attempt.queue, attempt.outcome) for attempt in attempts)
    for job_id, source, target in moves:
        if target in FINAL:
            expected[queues[job_id], f"state_{target}"] += 1
            expected[queues[job_id], "given_up"] += source in FINAL
        elif source in FINAL:
            expected[queues[job_id], "revived"] += 1
    told = totals()
    unsaid = {"retried", "rescued", "rescued_silent", "republished"}
    assert {key: n for key, n in told.items() if key[1] not in unsaid} == dict(+expected)
    retries = Counter(job_id for job_id, source, target in moves if (source, target) == ("running", "retrying"))
    assert sum(n for (_, name), n in told.items() if name == "retried") <= retries.total()


def totals() -> dict[tuple[str, str], int]:
    """Return the totals that the ledger tells, by queue and name; also checks that each run has its durations."""
    found: Counter[tuple[str, str]] = Counter()
    for (queue, _), figures in statistics.totals().items():
        if not queue:  # what people did: that stands in the audit log
            continue
        found.update({(queue, name): count for name, count in figures.counts.items()})
        runs = sum(figures.counts.get(outcome, 0) for outcome in Outcome)
        for name in ("run", "wait"):
            seconds, buckets = figures.histograms.get(name, [0, []])
            assert (sum(buckets), seconds >= 0) == (runs, True), name
    return dict(found)
