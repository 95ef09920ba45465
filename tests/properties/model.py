"""A small model of a job's life, in plain Python: what each verb does to a job, without a database or the engine.

Time is counted in ticks of ten minutes and moves only when it is told to; the slowest machine is quicker than a tick.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

FINAL = {"succeeded", "dead", "cancelled"}
WAITING = {"queued", "scheduled", "retrying", "blocked"}
POISON_LOSSES = 3
TICK_SECONDS = 600
DAY = 24 * 6
SUCCEEDED_TICKS, CANCELLED_TICKS = 7 * DAY, 30 * DAY

# How a run ends → the outcome that history keeps, the state that follows, ticks until it is due again. A failure
# that uses the last attempt up is dead whatever stands here; `lost` is decided by the losses before.
ENDS: dict[str, tuple[str, str, int]] = {
    "success": ("success", "succeeded", 0),
    "error": ("error", "retrying", 1),
    "unstorable result": ("error", "retrying", 1),
    "Retry": ("error", "retrying", 3),
    "timeout": ("timeout", "retrying", 1),
    "permanent error": ("error", "dead", 0),
    "error that a rule makes permanent": ("error", "dead", 0),
    "error that a rule discards": ("discarded", "cancelled", 0),
    "Snooze": ("snoozed", "retrying", 2),
    "Discard": ("discarded", "cancelled", 0),
    "interrupt": ("cancelled", "queued", 0),
    "lost": ("lost", "queued", 0),
}


@dataclass
class ModelJob:
    """One job as it should stand in the ledger."""

    id: UUID
    queue: str
    state: str
    max_attempts: int
    priority: int = 0
    key: str | None = None
    due: int = 0
    expires: int | None = None
    published: int | None = None  # the tick
    publish_seq: int = 0
    claim: int | None = None
    worker: str = ""
    progress: int | None = None
    number: int = 0  # its argument
    failures: int = 0
    losses: list[bool] = field(default_factory=list)  # since it was enqueued or revived: suffered alone?
    is_cancel_requested: bool = False
    finished: int | None = None
    attempts: list[tuple[str, int, bool]] = field(default_factory=list)  # outcome, claim, is_alone
    revived_after: int = 0  # attempts before the last revival

    @property
    def fits_between(self) -> bool:
        """Whether its runs since the last revival are no more than its attempts and those that do not count."""
        outcomes = [outcome for outcome, _, _ in self.attempts[self.revived_after :]]
        uncounted = sum(outcome in {"lost", "cancelled", "snoozed"} for outcome in outcomes)
        return len(outcomes) <= self.max_attempts + uncounted


class Model:
    """All jobs, workers and pauses, and the verbs."""

    def __init__(self) -> None:
        self.now = 0
        self.jobs: dict[UUID, ModelJob] = {}
        self.workers: dict[str, bool] = {}  # is it living?
        self.paused: set[str] = set()
        self.counts: Counter[tuple[str, str]] = Counter()  # queue, name
        self.moves: list[tuple[UUID, str, str]] = []
        self.settled: list[tuple[UUID, int, str, str]] = []  # job, attempt, outcome, state
        self.operated: Counter[str] = Counter()

    # -- pieces --------------------------------------------------------------------------------------------------

    def pick(self, wanted: Callable[[ModelJob], bool], ids: Iterable[UUID] | None = None) -> list[ModelJob]:
        """Return the jobs that `wanted` accepts, of `ids` or of all, oldest first."""
        chosen = self.jobs.values() if ids is None else [self.jobs[i] for i in set(ids) if i in self.jobs]
        return sorted((job for job in chosen if wanted(job)), key=lambda job: job.id)

    def holder(self, key: str | None) -> ModelJob | None:
        """Return the unfinished job with this key."""
        found = self.pick(lambda job: key is not None and job.key == key and job.state not in FINAL)
        assert len(found) <= 1
        return found[0] if found else None

    def _move(self, job: ModelJob, state: str) -> None:
        self.moves.append((job.id, job.state, state))
        job.state = state
        job.published = job.claim = None
        job.finished = self.now if state in FINAL else None

    def _count(self, job: ModelJob, *names: str) -> None:
        self.counts.update((job.queue, name) for name in names)

    # -- into the ledger, onto the transport ---------------------------------------------------------------------

    def insert(self, job: ModelJob) -> ModelJob:
        """Take a new job in; return the unfinished one that holds its key instead, if there is one."""
        holder = self.holder(job.key)
        if holder is not None:
            return holder
        self.jobs[job.id] = job
        self.moves.append((job.id, "", job.state))
        return job

    def unpublished(self, queue: str, minimum_priority: int = -100) -> list[ModelJob]:
        """Return what waits for a message, best first."""
        found = self.pick(
            lambda job: job.state == "queued" and job.published is None
            and job.queue == queue and job.priority >= minimum_priority
        )  # fmt: skip
        return sorted(found, key=lambda job: (-job.priority, job.id))

    def publish(self, jobs: Iterable[ModelJob]) -> list[tuple[UUID, int]]:
        """Give each a new message."""
        refs = []
        for job in jobs:
            job.published, job.publish_seq = self.now, job.publish_seq + 1
            refs.append((job.id, job.publish_seq))
        return refs

    def unpublish(self, wanted: Callable[[ModelJob], bool]) -> int:
        """Take back the messages of the queued jobs that `wanted` accepts; return how many these are."""
        jobs = self.pick(lambda job: job.state == "queued" and wanted(job))
        for job in jobs:
            job.published = None
        return len(jobs)

    def repair(self, wanted: Callable[[ModelJob], bool]) -> int:
        """Do the same for messages that were lost, which is counted."""
        for job in self.pick(lambda job: job.state == "queued" and wanted(job)):
            self._count(job, "republished")
        return self.unpublish(wanted)

    def pause(self, queue: str, is_paused: bool) -> bool:
        """Pause or resume; its messages are void afterwards."""
        if (queue in self.paused) == is_paused:
            return False
        (self.paused.add if is_paused else self.paused.remove)(queue)
        self.unpublish(lambda job: job.queue == queue)
        self.operated["pause" if is_paused else "resume"] += 1
        return True

    # -- workers -------------------------------------------------------------------------------------------------

    def is_claimable(self, job: ModelJob, worker: str) -> bool:
        """Whether this worker may claim the job, losses aside."""
        is_expired = job.expires is not None and job.expires <= self.now
        is_open = job.state == "queued" and job.queue not in self.paused
        return self.workers.get(worker, False) and is_open and not is_expired

    def claim(self, jobs: Iterable[ModelJob], worker: str, claim: int) -> None:
        """Give the jobs to a worker."""
        for job in jobs:
            self._move(job, "running")
            job.claim, job.worker = claim, worker

    def settle(
        self, job_id: UUID, claim: int, end: str, is_alone: bool = False, is_silent: bool = False
    ) -> bool:
        """End a run; False if its claim is gone, and then nothing changes. `is_silent`: nobody saw its worker die."""
        job = self.jobs.get(job_id)
        if job is None or job.claim != claim:
            return False
        outcome, state, ticks = ENDS[end]
        if outcome in {"error", "timeout"}:
            job.failures += 1
            state = "dead" if job.failures >= job.max_attempts else state
        if outcome == "lost":
            job.losses.append(is_alone)
            state, ticks = ("queued", 0) if len(job.losses) == 1 else ("retrying", 1)
            state = "dead" if is_alone and sum(job.losses) >= POISON_LOSSES else state
        if job.is_cancel_requested and state in WAITING:
            state, outcome = "cancelled", "cancelled" if outcome == "lost" else outcome
        self._move(job, state)
        job.due = self.now + ticks if state == "retrying" else job.due
        job.attempts.append((outcome, claim, is_alone))
        self.settled.append((job_id, len(job.attempts), outcome, state))
        rescued = ["rescued", "rescued_silent"] if is_silent else ["rescued"]
        again = {"error": ["retried"], "timeout": ["retried"], "lost": rescued}.get(outcome, [])
        self._count(job, outcome, *([f"state_{state}"] if state in FINAL else again))
        return True

    def has_recorded(self, job_id: UUID, claim: int, end: str) -> bool:
        """Whether history has this very end of the run."""
        job = self.jobs.get(job_id)
        return job is not None and (ENDS[end][0], claim) in [attempt[:2] for attempt in job.attempts]

    def release(self, ids: Iterable[UUID], claim: int) -> list[ModelJob]:
        """Take claims back that have not begun, and return them all; one with a cancel request is cancelled."""
        held = self.pick(lambda job: job.claim == claim, ids)
        for job in held:
            self._move(job, "cancelled" if job.is_cancel_requested else "queued")
            if job.is_cancel_requested:
                self._count(job, "state_cancelled")
        return held

    def lose(self, worker: str, remains: Mapping[UUID, tuple[str, bool]] | None) -> int:
        """End a worker; `remains` tells how the runs that had begun ended, and whether alone. None: nobody knows."""
        self.workers[worker] = False
        held = self.pick(lambda job: job.state == "running" and job.worker == worker)
        for job in held:
            assert job.claim is not None
            if remains is None:
                self.settle(job.id, job.claim, "lost", len(held) == 1, is_silent=True)
            elif job.id in remains:
                self.settle(job.id, job.claim, *remains[job.id])
            else:
                self.release([job.id], job.claim)
        return len(held)

    # -- time ----------------------------------------------------------------------------------------------------

    def promote(self) -> int:
        """Queue what has become due."""
        jobs = self.pick(lambda job: job.state in {"scheduled", "retrying"} and job.due <= self.now)
        for job in jobs:
            self._move(job, "queued")
        return len(jobs)

    def expire(self) -> int:
        """Cancel what waited too long."""
        jobs = self.pick(lambda job: job.state in WAITING and job.expires is not None and job.expires <= self.now)
        for job in jobs:
            self._move(job, "cancelled")
            self._count(job, "state_cancelled")
        return len(jobs)

    def forget_old(self) -> int:
        """Delete what was kept long enough; dead letters stay."""
        kept = {"succeeded": SUCCEEDED_TICKS, "cancelled": CANCELLED_TICKS}
        old = self.pick(
            lambda job: job.state in kept and job.finished is not None and job.finished + kept[job.state] <= self.now
        )
        for job in old:
            del self.jobs[job.id]
        return len(old)

    # -- people --------------------------------------------------------------------------------------------------

    def cancel(self, ids: Iterable[UUID]) -> list[UUID]:
        """Cancel what waits, ask what runs; return the jobs for which that was new."""
        changed = []
        for job in self._each(ids):
            if job.state in FINAL or job.is_cancel_requested:
                continue
            job.is_cancel_requested = True
            if job.state in WAITING:
                self._move(job, "cancelled")
                self._count(job, "state_cancelled")
            changed.append(job.id)
        self.operated["cancel"] += len(changed)
        return changed

    def revive(self, ids: Iterable[UUID], ticks: int | None, number: int | None) -> list[UUID]:
        """Start dead and cancelled jobs anew, at once or later, with another argument if one is given."""
        changed = []
        for job in self._each(ids):
            if job.state not in {"dead", "cancelled"} or self.holder(job.key) is not None:
                continue
            self._move(job, "queued" if ticks is None else "scheduled")
            job.due, job.expires, job.is_cancel_requested = self.now + (ticks or 0), None, False
            job.failures, job.losses, job.revived_after = 0, [], len(job.attempts)
            job.number = job.number if number is None else number
            self._count(job, "revived")
            changed.append(job.id)
        self.operated["retry" if number is None else "edit"] += len(changed)
        return changed

    def discard(self, ids: Iterable[UUID]) -> list[UUID]:
        """Give dead letters up."""
        changed = []
        for job in self._each(ids):
            if job.state == "dead":
                self._move(job, "cancelled")
                self._count(job, "state_cancelled", "given_up")
                changed.append(job.id)
        self.operated["discard"] += len(changed)
        return changed

    def _each(self, ids: Iterable[UUID]) -> list[ModelJob]:
        return [self.jobs[i] for i in dict.fromkeys(ids) if i in self.jobs]
