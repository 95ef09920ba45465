"""Counters and histograms, from the statistics that stand in the ledger."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from dashboards.metrics.labels import OTHER
from dashboards.metrics.reading import Reading
from jobs.models.statistic import BUCKET_BOUNDS
from jobs.states import JobState, Outcome
from jobs.statistics import Figures

FINAL_STATES = (JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED)
# Of a final job, the former were counted once more often than the latter; of another, as often. A job belongs to the
# queue on which it ends, so one that is moved before must go on counting where it came from.
REACHED = (*(f"state_{state.value}" for state in FINAL_STATES), "moved_out")
LEFT = ("revived", "given_up", "undone", "moved_in")
BEGUN = (*(outcome.value for outcome in Outcome), "unrecorded")
RETRIES = {"automatic": "retried", "manual": "revived"}
HISTOGRAMS = {
    "attempt_duration": ("run", "Time from an attempt's start to its end."),
    "job_wait": ("wait", "Time from when a job was due to the start of an attempt; a wanted delay is no waiting."),
    "job_completion": ("completion", "Time from a job's enqueue to its final state."),
}
_BOUNDS = [*map(floatToGoString, BUCKET_BOUNDS), "+Inf"]

Key = tuple[str, str]  # queue, label of the task
Sums = Mapping[Key, Figures]


class Rising:
    """Counts that never go down, of one process.

    A run that has ended and is about to be recorded stands neither in a heartbeat nor in the statistics.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[Key, tuple[int, int]] = {}

    def risen(self, recorded: Mapping[Key, int], begun: Mapping[Key, int]) -> dict[Key, int]:
        """Return the sums of both by key, or what was said before where that is more."""
        with self._lock:
            for key in {*recorded, *begun, *self._said}:
                known, running = recorded.get(key, 0), begun.get(key, 0)
                last_known, last = self._said.get(key, (0, 0))
                # fewer records than before: the statistics were emptied
                self._said[key] = known, max(known + running, last if known >= last_known else 0)
            return {key: value for key, (_, value) in self._said.items()}


_rising = Rising()


def families(reading: Reading, labels: Mapping[str, str]) -> Iterator[Metric]:
    """Yield the counters and histograms."""
    sums = by_label(reading.totals, labels)
    yield _enqueued(sums, reading, labels)
    yield _started(sums, reading, labels)
    yield _by_name(
        sums, "attempts_finished", "Attempts that ended.", "outcome", {o.value: o.value for o in Outcome}
    )
    yield finished(sums)
    yield _by_name(sums, "retries", "Further attempts: after a failure, or by an operator.", "kind", RETRIES)
    yield _rescued(sums)
    site = reading.totals.get(("", ""), Figures())
    yield _operator_actions(site)
    yield _worthless_messages(site)
    for name, (kept_as, documentation) in HISTOGRAMS.items():
        yield _histogram(sums, name, kept_as, documentation)


def by_label(totals: Mapping[Key, Figures], labels: Mapping[str, str]) -> Sums:
    """Add up what has the same labels, and leave out what belongs to no queue."""
    sums: dict[Key, Figures] = defaultdict(Figures)
    for (queue, task), done in sorted(totals.items()):
        if queue:
            sums[queue, labels.get(task, OTHER)].add(done)
    return sums


def finished(sums: Sums) -> Metric:
    """Return the jobs that reached a final state."""
    states = {state.value: f"state_{state.value}" for state in FINAL_STATES}
    return _by_name(sums, "jobs_finished", "Jobs that reached a final state.", "state", states)


def _by_name(sums: Sums, name: str, documentation: str, label: str, names: Mapping[str, str]) -> Metric:
    family = CounterMetricFamily(f"queuehub_{name}", documentation, labels=["queue", "task", label])
    for key, done in sums.items():
        for value, kept_as in names.items():
            family.add_metric([*key, value], done.counts.get(kept_as, 0))
    return family


def _enqueued(sums: Sums, reading: Reading, labels: Mapping[str, str]) -> Metric:
    """Return the jobs that were ever enqueued, by any program: those that are unfinished, and those that finished."""
    counts: Counter[Key] = Counter()
    for key, done in sums.items():
        counts[key] += _sum(done, REACHED) - _sum(done, LEFT)
    for row in reading.counts:
        if row.state not in FINAL_STATES:
            counts[row.queue, labels.get(row.task, OTHER)] += row.count
    return _counter("jobs_enqueued", "Jobs that were enqueued.", counts)


def _started(sums: Sums, reading: Reading, labels: Mapping[str, str]) -> Metric:
    recorded: Counter[Key] = Counter()
    for key, done in sums.items():
        recorded[key] += _sum(done, BEGUN)
    begun = Counter((run.queue, labels.get(run.task, OTHER)) for run in reading.begun)
    return _counter("attempts_started", "Attempts that began.", _rising.risen(recorded, begun))


def _sum(done: Figures, names: Iterable[str]) -> int:
    return sum(done.counts.get(name, 0) for name in names)


def _counter(name: str, documentation: str, counts: Mapping[Key, int]) -> Metric:
    family = CounterMetricFamily(f"queuehub_{name}", documentation, labels=["queue", "task"])
    for key, value in sorted(counts.items()):
        family.add_metric(key, value)
    return family


def _rescued(sums: Sums) -> Metric:
    family = CounterMetricFamily(
        "queuehub_jobs_rescued",
        "Jobs that go on although something was lost: their worker died or fell silent, or their message vanished.",
        labels=["queue", "reason"],
    )
    counts: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    for (queue, _), done in sums.items():
        counts[queue] += done.counts.get("rescued", 0)
        silent[queue] += done.counts.get("rescued_silent", 0)
        messages[queue] += done.counts.get("republished", 0)
    for queue in sorted(counts):
        family.add_metric([queue, "worker_died"], counts[queue] - silent[queue])
        family.add_metric([queue, "worker_silent"], silent[queue])
        family.add_metric([queue, "message_lost"], messages[queue])
    return family


def _operator_actions(site: Figures) -> Metric:
    family = CounterMetricFamily(
        "queuehub_operator_actions", "Changes by people and commands, as in the audit log.", labels=["action", "result"]
    )
    for name, number in sorted(site.counts.items()):
        kind, _, told = name.partition(":")
        if kind == "action":
            action, _, result = told.rpartition(":")
            family.add_metric([action, result], number)
    return family


def _worthless_messages(site: Figures) -> Metric:
    family = CounterMetricFamily(
        "queuehub_messages_worthless",
        "Messages that led to no job: damaged or forged, or void because their job is unknown, done or taken.",
        labels=["reason"],
    )
    for reason in ("damaged", "void"):
        family.add_metric([reason], site.counts.get(f"messages_{reason}", 0))
    return family


def _histogram(sums: Sums, name: str, kept_as: str, documentation: str) -> Metric:
    family = HistogramMetricFamily(f"queuehub_{name}_seconds", documentation, labels=["queue", "task"])
    for key, done in sums.items():
        told = done.histograms.get(kept_as)
        if told is not None:
            family.add_metric(key, list(_cumulative(told[1])), sum_value=told[0])
    return family


def _cumulative(counts: Iterable[int]) -> Iterator[tuple[str, int]]:
    below = 0
    for bound, count in zip(_BOUNDS, counts, strict=True):
        below += count
        yield bound, below
