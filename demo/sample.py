"""A ledger full of made-up history, to try pages and statements on: written straight into the tables, never run.

The same seed makes the same rows, but for their times: they are spread over the week that ends now. Of 20 jobs one is
dead and two are queued; of 100 one is scheduled, one is retrying and two are cancelled; the rest has succeeded.
"""

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import accumulate, islice
from typing import Any
from uuid import UUID

from demo.sample_failures import FAILURES, Failure, name_of
from demo.sample_names import QUEUES, TASKS
from jobs import failures
from jobs.histograms import add_counts, add_histograms, histogram
from jobs.models import Queue, Statistic
from jobs.statements import Columns, ledger_transaction
from jobs.states import FINAL, JobState, Outcome
from jobs.statistics import Figures, folded_into

Row = dict[str, Any]
Key = tuple[float, str, str]  # minute in Unix seconds, queue, task

WEEK_SECONDS = 7 * 86400.0
BATCH = 5000
FOLD_BATCH = 50_000
DEAD_ATTEMPTS, RETRYING_ATTEMPTS = 5, 2
RARE_EVERY = 5000
# By Zipf's law: a few tasks make most of the work, as in real systems.
_RANKS = range(len(TASKS) - 1)
_WEIGHTS = list(accumulate(1 / (rank + 1) for rank in _RANKS))
_JOB_KINDS = {
    "id": "uuid", "task": "text", "queue": "text", "state": "text", "priority": "int", "kwargs": "json",
    "attempt": "int", "failure_count": "int", "reason": "text", "result": "json", "finished_at": "timestamp",
    "max_attempts": "int", "tags": "json", "created_at": "timestamp", "due_at": "timestamp", "fingerprint": "text",
}  # fmt: skip
_ATTEMPT_KINDS = {
    "id": "uuid", "number": "int", "outcome": "text", "claim": "bigint", "worker": "text", "host": "text",
    "pid": "int", "code_version": "text", "queue": "text", "started": "float8", "finished": "float8",
    "is_alone": "bool", "exception_class": "text", "message": "text", "traceback": "text", "fingerprint": "text",
    "frame": "text", "task": "text",
}  # fmt: skip


def least_attempts(job_count: int) -> int:
    """Return how many attempts so many jobs have at least."""
    states = [state_of(number) for number in range(job_count)]
    return (
        states.count(JobState.SUCCEEDED)
        + states.count(JobState.DEAD) * DEAD_ATTEMPTS
        + states.count(JobState.RETRYING) * RETRYING_ATTEMPTS
    )


def state_of(number: int) -> JobState:
    """Return the state of the job with this number."""
    if number % 20 == 0:
        return JobState.DEAD
    if number % 10 == 1:
        return JobState.QUEUED
    others = {2: JobState.SCHEDULED, 12: JobState.RETRYING, 3: JobState.CANCELLED, 53: JobState.CANCELLED}
    return others.get(number % 100, JobState.SUCCEEDED)


class Sample:
    """Makes `job_count` jobs with `attempt_count` attempts, oldest first, and the statistics that belong to them.

    Raises: ValueError if the jobs' states need more attempts.
    """

    def __init__(self, job_count: int, attempt_count: int, seed: int) -> None:
        least = least_attempts(job_count)
        if not least <= attempt_count <= least + job_count // 2:
            raise ValueError(f"{job_count} jobs take {least} to {least + job_count // 2} attempts")
        self.job_count, self.random = job_count, random.Random(seed)  # nosec B311 # made-up data, not a secret
        self._retried_share = (attempt_count - least) / job_count
        self._retried_count = 0
        self.ends = time.time()
        self.begins = self.ends - WEEK_SECONDS

    def write(self, using: str, told: Callable[[int], None] = lambda count: None) -> None:
        """Write everything to the ledger, which is the database `using`; `told` hears how many jobs are written."""
        numbers = iter(range(self.job_count))
        sums: dict[Key, Figures] = defaultdict(Figures)
        Queue.objects.using(using).bulk_create([Queue(name=name) for name in QUEUES], ignore_conflicts=True)
        while batch := list(islice(numbers, BATCH)):
            jobs, attempts = [], []
            for number in batch:
                job = self._job(number)
                runs = list(self._attempts(job, number))
                if runs and job["state"] in FINAL:
                    job["finished_at"] = _moment(runs[-1]["finished"])
                _count(job, runs, sums)
                jobs.append(job)
                attempts += runs
            with ledger_transaction() as statements:
                statements.insert_jobs(_columns(jobs, _JOB_KINDS), "")
                statements.record(_columns(attempts, _ATTEMPT_KINDS))
            told(batch[-1] + 1)
        while failures.fold(FOLD_BATCH):
            pass
        Statistic.objects.using(using).bulk_create(_statistics(sums), batch_size=BATCH)

    def _job(self, number: int) -> Row:
        """Return the columns of a job; `created` stands for created_at, in Unix seconds."""
        created = self.begins + WEEK_SECONDS * number / self.job_count
        is_rare = number % RARE_EVERY == RARE_EVERY - 1
        rank = len(TASKS) - 1 if is_rare else self.random.choices(_RANKS, cum_weights=_WEIGHTS)[0]
        state = state_of(number)
        job: Row = {
            "id": self._uuid7(created), "task": TASKS[rank], "queue": QUEUES[rank % len(QUEUES)], "state": state.value,
            "priority": self.random.choice((0, 0, 0, 5, -10)), "kwargs": json.dumps(self._arguments(number)),
            "created": created, "attempt": 0, "failure_count": 0, "reason": "", "result": None, "finished_at": None,
            "max_attempts": DEAD_ATTEMPTS, "tags": '["sample"]', "created_at": _moment(created),
            "due_at": _moment(created), "fingerprint": None,
        }  # fmt: skip
        match state:
            case JobState.SCHEDULED:
                job["due_at"] = _moment(self.ends + self.random.randrange(60, 86400))
            case JobState.RETRYING:
                job["due_at"] = _moment(self.ends + self.random.randrange(1, 3600))
                job["attempt"] = job["failure_count"] = RETRYING_ATTEMPTS
            case JobState.DEAD:
                job["attempt"] = job["failure_count"] = DEAD_ATTEMPTS
                job["reason"] = "no attempts left"
            case JobState.CANCELLED:
                job["finished_at"], job["reason"] = _moment(created + 5), "cancelled"
            case JobState.SUCCEEDED:
                is_retried = int((number + 1) * self._retried_share >= self._retried_count + 1)
                self._retried_count += is_retried
                job["attempt"], job["failure_count"] = 1 + is_retried, is_retried
                job["result"] = json.dumps({"rows": number % 977})
        if job["failure_count"]:
            job["fingerprint"], _ = name_of(_failure(number))
        return job

    def _attempts(self, job: Row, number: int) -> Iterator[Row]:
        """Yield the columns of a job's attempts; `started` and `finished` in Unix seconds."""
        failure = _failure(number)
        fingerprint, frame = name_of(failure)
        started = job["created"] + self.random.expovariate(2)
        for index in range(1, job["attempt"] + 1):
            is_good = index > job["failure_count"]
            worker, salt = self.random.randrange(12), self.random.randrange(10**6)
            finished = started + self.random.expovariate(3)
            yield {
                "id": job["id"], "number": index, "outcome": (Outcome.SUCCESS if is_good else Outcome.ERROR).value,
                "claim": self.random.getrandbits(62), "worker": f"w{worker}", "host": f"node-{worker}",
                "pid": 4000 + index, "code_version": "1.4.2", "queue": job["queue"], "started": started,
                "finished": finished, "is_alone": False,
                "exception_class": "" if is_good else failure.exception_class,
                "message": "" if is_good else failure.message(salt),
                "traceback": "" if is_good else failure.traceback(salt),
                "fingerprint": None if is_good else fingerprint, "frame": frame, "task": job["task"],
            }  # fmt: skip
            started = finished + 10 * 2**index

    def _uuid7(self, at: float) -> UUID:
        milliseconds = int(at * 1000)
        bits = self.random.getrandbits(74)
        return UUID(int=milliseconds << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1)

    def _arguments(self, number: int) -> dict[str, Any]:
        """Return keyword arguments of some 300 bytes of JSON."""
        bits = self.random.getrandbits(400)
        return {
            "account": number % 5000, "user": {"id": number % 40_000, "plan": ("free", "team", "firm")[number % 3]},
            "address": f"user{number % 40_000}@example.org", "is_test": False, "note": f"{bits:0100x}"[:100],
            "items": [bits % 97, bits % 89, bits % 83], "url": f"https://shop.example.org/orders/{bits % 10**9:09d}",
        }  # fmt: skip


def _failure(number: int) -> Failure:
    return FAILURES[number // 20 % len(FAILURES)]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ")


def _columns(rows: list[Row], kinds: dict[str, str]) -> Columns:
    return {name: (kind, [row[name] for row in rows]) for name, kind in kinds.items()}


def _count(job: Row, attempts: list[Row], sums: dict[Key, Figures]) -> None:
    """Add what the engine would have counted, under the minute in which the job was created."""
    if not attempts:
        return
    counts = Counter(attempt["outcome"] for attempt in attempts)
    counts["retried"] = len(attempts) - (job["state"] in FINAL)
    if job["state"] in FINAL:
        counts[f"state_{job['state']}"] = 1
    figures = sums[job["created"] // 60 * 60, job["queue"], job["task"]]
    add_counts(figures.counts, counts)
    durations = {
        "wait": [attempts[0]["started"] - job["created"]],
        "run": [attempt["finished"] - attempt["started"] for attempt in attempts],
    }
    add_histograms(figures.histograms, {name: histogram(values) for name, values in durations.items()})


def _statistics(sums: dict[Key, Figures]) -> list[Statistic]:
    """Return the folded rows."""
    folded: dict[tuple[str, datetime, str, str], Figures] = defaultdict(Figures)
    for (minute, queue, task), figures in sums.items():
        minute_at = datetime.fromtimestamp(minute, UTC)
        for key in folded_into(Statistic(minute_at=minute_at, queue=queue, task=task)):
            folded[key].add(figures)
    return [
        Statistic(period=period, minute_at=at, queue=queue, task=task, counts=figures.counts,
                  histograms=figures.histograms)
        for (period, at, queue, task), figures in folded.items()
    ]  # fmt: skip
