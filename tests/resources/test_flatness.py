"""Ten thousand jobs leave nothing behind in the processes that ran them."""

from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest

from jobs.models import Job
from tests.acceptance import tasks
from tests.acceptance.ledger import states
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

JOBS = 10_000
GROWTH_BYTES = 2_000_000
"""Per process, for what an allocator keeps."""

WARM_UP = 3
"""Times ten thousand jobs that fill its pools and are no measure. With batches of 250 and failures among them a process
grows by 4 MB in the second and 1 MB in the third; after 40,000 failures it does not grow any more."""


@dataclass(frozen=True)
class Footprint:
    """What a pool takes now. Memory is what its processes share with nobody."""

    memory_bytes: int
    descriptors: int
    threads: int
    processes: int

    @classmethod
    def of(cls, running: Running) -> "Footprint":
        parent = psutil.Process(running.pid)
        processes = [parent, *parent.children(recursive=True)]
        return cls(
            sum(process.memory_full_info().uss for process in processes),
            sum(process.num_fds() for process in processes),
            sum(process.num_threads() for process in processes),
            len(processes),
        )


def run_mixed(count: int, path: str, name: str) -> None:
    """Run jobs of every kind: short ones, coroutines, some that write through the ORM, some that fail."""
    before = Job.objects.count()
    Job.objects.enqueue_many(tasks.nothing, [()] * (count * 6 // 10))
    Job.objects.enqueue_many(tasks.pause, [()] * (count * 2 // 10))
    Job.objects.enqueue_many(tasks.write_user, [(f"{name}-{n}",) for n in range(count // 10)])
    Job.objects.enqueue_many(tasks.fail, [(path, f"{name}-{n}") for n in range(count // 10)])
    eventually(lambda: set(states()) == {"succeeded", "dead"}, 120, "the jobs did not end")
    assert Job.objects.count() == before + count


def test_ten_thousand_jobs_leave_a_pool_as_it_was(
    pool: Callable[..., Running], journal: Journal, figures: Figures
) -> None:
    running = pool("a", "--threads", "4", processes=2)
    for number in range(WARM_UP):
        run_mixed(JOBS, journal.path, f"warm-{number}")
    before = Footprint.of(running)
    run_mixed(JOBS, journal.path, "job")
    after = Footprint.of(running)
    figures.add(
        memory_mb_before=before.memory_bytes / 1e6,
        memory_mb_after=after.memory_bytes / 1e6,
        bytes_per_job=(after.memory_bytes - before.memory_bytes) / JOBS,
        descriptors=f"{before.descriptors} -> {after.descriptors}",
        threads=f"{before.threads} -> {after.threads}",
        processes=f"{before.processes} -> {after.processes}",
    )
    assert after.processes == before.processes
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors
    assert after.memory_bytes - before.memory_bytes <= GROWTH_BYTES * after.processes
