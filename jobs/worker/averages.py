"""Moving averages of run times, from which a worker learns how many jobs to take at once."""

import threading

from jobs.conf import get_settings

WEIGHT = 0.1
"""Share of the newest run in the average: it halves an old value in about seven runs."""

FIRST_BATCH = 10
"""Batch size while nothing is known yet."""


class Averages:
    """Run time per task, and what one job costs the worker: its run time divided by the slots of its kind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_task: dict[str, float] = {}
        self._cost: float | None = None

    def learn(self, task: str, run_seconds: float, slot_count: int) -> None:
        """Take a finished run into account."""
        with self._lock:
            known = self._by_task.get(task)
            self._by_task[task] = run_seconds if known is None else known + WEIGHT * (run_seconds - known)
            cost = run_seconds / slot_count
            self._cost = cost if self._cost is None else self._cost + WEIGHT * (cost - self._cost)

    def cost_seconds(self, task: str, slot_count: int) -> float:
        """Return what a job of this task costs, 0 if it is unknown."""
        return self._by_task.get(task, 0.0) / slot_count

    def batch_size(self) -> int:
        """Return how many jobs fit into QUEUEHUB["PREFETCH_MILLISECONDS"], within 1 and the prefetch limit."""
        settings = get_settings()
        if self._cost is None:
            return min(FIRST_BATCH, settings.prefetch_limit)
        budget_seconds = settings.prefetch_milliseconds / 1000
        return max(1, min(settings.prefetch_limit, int(budget_seconds / max(self._cost, 1e-6))))
