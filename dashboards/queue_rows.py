"""What the tables say of each queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboards import recent, slots
from jobs.models import Queue, Worker


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue with its depths, its workers and its last minutes."""

    name: str
    queued: int
    running: int
    scheduled: int
    retrying: int
    oldest_due_at: datetime | None
    queue: Queue | None
    busy_count: int
    slot_count: int
    worker_count: int
    bars: list[int]
    wait_p95_seconds: float | None

    @property
    def is_paused(self) -> bool:
        return self.queue is not None and self.queue.paused_at is not None

    @property
    def is_idle(self) -> bool:
        """Whether jobs wait that nobody will take."""
        return bool(self.queued) and not self.worker_count

    @property
    def waiting(self) -> int:
        return self.queued + self.scheduled + self.retrying

    @property
    def ended(self) -> int:
        return sum(self.bars)


def queue_rows(
    content: dict[str, Any], now: datetime, queues: Sequence[Queue], workers: Sequence[Worker]
) -> list[QueueRow]:
    """Combine a snapshot's depths with rows of queues and of living workers; the busiest queues come first."""
    known = {queue.name: queue for queue in queues}
    busy, minutes = slots.busy_by_queue(workers), recent.by_queue(now)
    rows = []
    for depth in content.get("queues", []):
        name = depth["name"]
        worker_count, slot_count = slots.slots_of_queue(workers, name)
        last = minutes.get(name, recent.Recent())
        oldest = depth["oldest_due_at"]
        rows.append(
            QueueRow(
                name=name,
                queued=depth["queued"],
                running=depth["running"],
                scheduled=depth["scheduled"],
                retrying=depth["retrying"],
                oldest_due_at=datetime.fromisoformat(oldest) if oldest else None,
                queue=known.get(name),
                busy_count=busy[name],
                slot_count=slot_count,
                worker_count=worker_count,
                bars=last.bars(now),
                wait_p95_seconds=last.wait_p95_seconds,
            )
        )
    return sorted(rows, key=lambda row: (not row.is_paused, -row.queued - row.running, -row.ended, row.name))
