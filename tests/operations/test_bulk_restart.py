"""A bulk operation outlives the scheduler that does it: real processes, killed in the middle of a batch."""

import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from jobs import operations
from jobs.models import AuditEntry, Job, Operation, SchedulerLease
from jobs.operations.advancing import BATCH
from tests.engine import tasks
from tests.support import Running, eventually

COUNT = 4 * BATCH + 10


@pytest.fixture
def operation(live_database: Any) -> Operation:
    """A running operation on jobs that wait."""
    jobs = Job.objects.enqueue_many(tasks.add.using(queue_name="unserved"), [(1, 2)] * COUNT)
    previewed = operations.preview("cancel", actor="ann", ids=[job.id for job in jobs])
    return operations.start(previewed, actor="ann", reason="not needed")


def test_a_killed_scheduler_s_successor_goes_on_where_the_last_batch_was_committed(
    operation: Operation, manage: Callable[..., Running]
) -> None:
    first = manage("jobs_scheduler", env={"QUEUEHUB_FAILPOINTS": "operate.written=kill:every=3"})
    assert first.wait(100) == -signal.SIGKILL
    operation.refresh_from_db()
    assert (operation.state, operation.changed_count) == ("running", 2 * BATCH)
    assert Job.objects.filter(state="cancelled").count() == 2 * BATCH
    SchedulerLease.objects.all().delete()  # not to wait until it expires

    second = manage("jobs_scheduler")
    eventually(lambda: Operation.objects.get(pk=operation.pk).is_over, 100)
    assert second.stop(60) == 0
    operation.refresh_from_db()
    assert (operation.state, operation.changed_count, operation.skipped_count) == ("finished", COUNT, 0)
    assert Job.objects.filter(state="cancelled").count() == COUNT
    targets = Counter(AuditEntry.objects.filter(operation_id=operation.pk).values_list("target", flat=True))
    assert len(targets) == COUNT
    assert set(targets.values()) == {1}
