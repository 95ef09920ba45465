"""Gauges: how the ledger, the workers, the scheduler and this process are now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dashboards import figures, slots
from dashboards.metrics import schedules
from dashboards.metrics.labels import OTHER
from dashboards.metrics.reading import Reading
from dashboards.ticker import ticker
from jobs.definition import registry as tasks
from jobs.models.worker import WorkerState
from jobs.states import JobState

GAUGE_STATES = tuple(state for state in JobState if state != JobState.SUCCEEDED)


def plain(name: str, documentation: str, value: float | None) -> Metric:
    """Return a gauge without labels; without a sample where nothing is known."""
    family = GaugeMetricFamily(f"queuehub_{name}", documentation)
    if value is not None:
        family.add_metric([], float(value))
    return family


def live() -> Iterator[Metric]:
    """Yield what this process knows of its WebSockets."""
    yield plain("live_connections", "Open WebSockets of this web process.", ticker.socket_count)
    dropped = "Snapshots that a WebSocket of this web process missed."
    yield CounterMetricFamily("queuehub_live_messages_dropped", dropped, value=ticker.dropped_count)


def families(reading: Reading, labels: Mapping[str, str]) -> Iterator[Metric]:
    """Yield the gauges of the ledger."""
    names = _queue_names(reading)
    yield _queue_jobs(reading.counts, names)
    yield _dead_letters(reading.counts, labels)
    yield from _ages(reading, names)
    yield from _of_queues(reading, names)
    yield from _of_workers(reading)
    yield from _of_scheduler(reading)
    yield schedules.family(reading.schedule_counts)


def drift(reading: Reading, depths: Mapping[str, int]) -> Metric:
    """Return how many jobs of each queue should have a message on the broker and have none."""
    published: Counter[str] = Counter()
    for row in reading.counts:
        published[row.queue] += row.published_count
    text = "Queued jobs whose message is not on the broker although the ledger says so."
    values = {name: max(0, published[name] - depths.get(name, 0)) for name in _queue_names(reading)}
    return _by_queue("ledger_drift_jobs", text, values)


def _queue_names(reading: Reading) -> list[str]:
    known = {task.queue_name for task in tasks}
    served = {name for worker in reading.workers for name in worker.queues}
    return sorted(known | served | {row.queue for row in reading.counts} | {row.name for row in reading.queues})


def _by_queue(name: str, documentation: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"queuehub_{name}", documentation, labels=["queue"])
    for queue, value in values.items():
        family.add_metric([queue], value)
    return family


def _queue_jobs(counts: Iterable[figures.JobCount], names: Iterable[str]) -> Metric:
    family = GaugeMetricFamily(
        "queuehub_queue_jobs", "Jobs in the ledger, without succeeded ones.", labels=["queue", "state"]
    )
    sums: Counter[tuple[str, str]] = Counter()
    for row in counts:
        sums[row.queue, row.state] += row.count
    for queue in names:
        for state in GAUGE_STATES:
            family.add_metric([queue, state.value], sums[queue, state.value])
    return family


def _dead_letters(counts: Iterable[figures.JobCount], labels: Mapping[str, str]) -> Metric:
    family = GaugeMetricFamily("queuehub_dead_letters", "Jobs that wait for an operator.", labels=["queue", "task"])
    sums: Counter[tuple[str, str]] = Counter()
    for row in counts:
        if row.state == JobState.DEAD:
            sums[row.queue, labels.get(row.task, OTHER)] += row.count
    for key, value in sorted(sums.items()):
        family.add_metric(key, value)
    return family


def _ages(reading: Reading, names: Iterable[str]) -> Iterator[Metric]:
    waiting, running = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for row in reading.counts:
        if row.state == JobState.QUEUED and row.oldest_due_at is not None:
            waiting[row.queue] = max(waiting[row.queue], (reading.at - row.oldest_due_at).total_seconds())
    for run in reading.begun:
        running[run.queue] = max(running.get(run.queue, 0.0), run.seconds)
    yield _by_queue("queue_oldest_job_age_seconds", "How long the oldest queued job has been due.", waiting)
    yield _by_queue("queue_oldest_running_seconds", "How long the longest running attempt has run.", running)


def _of_queues(reading: Reading, names: Iterable[str]) -> Iterator[Metric]:
    paused = {row.name for row in reading.queues if row.paused_at is not None}
    listening = [
        worker
        for worker in reading.workers
        if worker.state == WorkerState.ACTIVE and not slots.is_silent(worker, reading.at)
    ]
    serving = {name: sum(slots.serves(worker, name) for worker in listening) for name in names}
    yield _by_queue("queue_paused", "Whether the queue is paused.", {name: float(name in paused) for name in names})
    yield _by_queue("queue_workers", "Workers that take jobs from the queue.", serving)


def _of_workers(reading: Reading) -> Iterator[Metric]:
    states = Counter(
        "silent" if slots.is_silent(worker, reading.at) else str(worker.state) for worker in reading.workers
    )
    states["lost"] = reading.lost_count
    family = GaugeMetricFamily(
        "queuehub_workers", "Worker processes; lost ones for 15 minutes.", labels=["state"]
    )
    for state in ("active", "stopping", "silent", "lost"):
        family.add_metric([state], states[state])
    yield family
    heard = [worker for worker in reading.workers if not slots.is_silent(worker, reading.at)]
    busy = sum(len(worker.runs) for worker in heard)
    idle = sum(figures.slots_of(worker) - len(worker.runs) for worker in heard if worker.state == WorkerState.ACTIVE)
    family = GaugeMetricFamily(
        "queuehub_worker_slots", "Slots of workers; of coroutines only busy ones.", labels=["state"]
    )
    family.add_metric(["busy"], busy)
    family.add_metric(["idle"], idle)
    yield family
    ages = [(reading.at - worker.heartbeat_at) / timedelta(seconds=1) for worker in reading.workers]
    text = "Age of the oldest last heartbeat of a living worker."
    yield plain("worker_heartbeat_age_max_seconds", text, max(ages, default=0.0))


def _of_scheduler(reading: Reading) -> Iterator[Metric]:
    is_led = reading.lease is not None and reading.lease.expires_at > reading.at
    yield plain("scheduler_leader", "Whether a scheduler leads.", is_led)
    text = "How long the oldest due schedule, retry or scheduled job has waited for the scheduler."
    yield plain("scheduler_lag_seconds", text, reading.overdue_seconds)
