"""When jobs could have begun, and how long they waited while somebody was free: arithmetic over moments, in seconds."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.journal import BEGAN, ENDED, Journal


@dataclass(frozen=True)
class Seen:
    """What the journal says of one job: when it was enqueued, began and ended, and in which process it ran."""

    key: str
    enqueued: float
    began: float
    ended: float
    pid: int

    @property
    def wait_seconds(self) -> float:
        return self.began - self.enqueued


def seen(journal: Journal, enqueued: dict[str, float]) -> list[Seen]:
    """Return what became of these jobs, in the order in which they began; each ran once."""
    began, ended = ([line for line in journal.lines(event) if line.key in enqueued] for event in (BEGAN, ENDED))
    ends = {line.key: line.at_seconds for line in ended}
    assert len(began) == len(ended) == len(ends) == len(enqueued)
    return [Seen(line.key, enqueued[line.key], line.at_seconds, ends[line.key], line.pid) for line in began]


def ideal_waits(work: Iterable[tuple[float, float]], slot_count: int) -> list[float]:
    """Return how long each job of (enqueued, run time), in this order, waits for the first of the slots to be free.

    Perfect scheduling: first come, first served, and no time passes between a job's end and the next one's begin.
    """
    free = [0.0] * slot_count
    waits = []
    for enqueued, run_seconds in work:
        begins = max(enqueued, heapq.heappop(free))
        heapq.heappush(free, begins + run_seconds)
        waits.append(begins - enqueued)
    return waits


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def longest_wait_beside_the_idle(jobs: Sequence[Seen]) -> float:
    """Return for how long at most a job waited while one and the same process had nothing to run.

    Jobs that are claimed and jobs that are not count alike, so this is no less than what a claimed job waited behind
    a running one while another worker was idle.
    """
    by_process: dict[int, list[Seen]] = defaultdict(list)
    for job in jobs:
        by_process[job.pid].append(job)
    first, last = min(job.enqueued for job in jobs), max(job.began for job in jobs)
    worst = 0.0
    for runs in by_process.values():
        edges = [first, *(moment for run in runs for moment in (run.began, run.ended)), last]
        for ended, began in list(pairwise(edges))[::2]:
            if began - ended > worst:
                worst = max(worst, *(min(began, job.began) - max(ended, job.enqueued) for job in jobs))
    return worst
