"""Why is this job not running? One sentence with the true cause, from a few bounded looks at the ledger."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from inspect import iscoroutinefunction
from typing import Any

from django.db.models import Q

from jobs import spoken
from jobs.conf import get_settings
from jobs.definition import registry
from jobs.errors import TransportUnavailable
from jobs.filters import StateIn
from jobs.models import Attempt, Job, Queue, SchedulerLease, Statistic, Worker
from jobs.models.statistic import Period
from jobs.models.worker import WorkerState
from jobs.statements import ledger
from jobs.states import FINAL, JobState
from jobs.transports import get_transport

MOST_AHEAD = 10_000
RATE_MINUTES = 5
UNKNOWN_TASK = "jobs.errors.UnknownTask"
_RAN = ("success", "error", "timeout", "lost", "cancelled", "snoozed", "discarded")


@dataclass(frozen=True, slots=True)
class Reason:
    """The cause: `code` for programs, `sentence` for people, `facts` for both."""

    code: str
    sentence: str
    facts: dict[str, Any] = field(default_factory=dict)


def why(job: Job, *, is_broker_up: bool | None = None) -> Reason:
    """Say why a job is not running, or that it is; None for `is_broker_up` means: ask the broker now."""
    now = ledger().present()
    if job.state in FINAL:
        return _ended(job, now)
    if job.state == JobState.RUNNING:
        return _claimed(job, now)
    if job.expires_at is not None and job.expires_at <= now:
        return Reason("expired", f"It expired {spoken.ago(job.expires_at, now)} and will be cancelled.")
    return (
        _paused(job, now)
        or (_delayed(job, now) if job.state != JobState.QUEUED else None)
        or _without_worker(job, now)
        or _special(job)
        or _without_broker(job, now, is_broker_up)
        or _in_line(job, now)
    )


def _ended(job: Job, now: datetime) -> Reason:
    at = job.finished_at or now
    why_so = f": {job.reason}" if job.reason else ""
    runs = f" in attempt {job.attempt}" if job.state == JobState.SUCCEEDED else ""
    has_what = {JobState.SUCCEEDED: "succeeded", JobState.DEAD: "died", JobState.CANCELLED: "was cancelled"}
    sentence = f"It {has_what[JobState(job.state)]} {spoken.ago(at, now)}{runs}{why_so}."
    if job.state == JobState.DEAD:
        sentence += " It runs again when somebody retries it."
    return Reason("finished", sentence, {"state": job.state, "reason": job.reason, "finished_at": at})


def _claimed(job: Job, now: datetime) -> Reason:
    claimed_at = job.claimed_at or now
    facts: dict[str, Any] = {"worker": job.worker, "claimed_at": claimed_at}
    rows = Worker.objects.using(get_settings().database)
    worker = rows.filter(id=job.worker).first()
    if worker is None or worker.state in {WorkerState.LOST, WorkerState.STOPPED}:
        return Reason("worker_lost", f"Its worker {job.worker} is gone; the job goes back in a moment.", facts)
    silent = (now - worker.heartbeat_at).total_seconds()
    if silent > get_settings().lost_after_seconds:
        sentence = f"Its worker {job.worker} has been silent for {spoken.duration(silent)}."
        if _lease_end(now) is not None:
            return Reason("worker_silent", f"{sentence} The scheduler gives the job to another one.", facts)
        return Reason("worker_silent", f"{sentence} {_no_scheduler(now)}", facts)
    run = next((run for run in worker.runs if run.get("job") == str(job.id)), None)
    asked = ", and it was asked to stop" if job.cancel_requested_at else ""
    if run is not None:
        for_seconds = run["seconds"] + silent
        sentence = f"It runs: worker {job.worker} began it {spoken.duration(for_seconds)} ago{asked}."
        return Reason("running", sentence, {**facts, "seconds": for_seconds})
    facts["others_running"] = len(worker.runs)
    sentence = f"Worker {job.worker} claimed it {spoken.ago(claimed_at, now)}"
    if worker.heartbeat_at < claimed_at:
        return Reason("claimed", f"{sentence} and has not said yet whether it has begun{asked}.", facts)
    others = f" while it runs {spoken.count(len(worker.runs), 'other job')}" if worker.runs else ""
    return Reason("claimed", f"{sentence} but has not begun it{others}. It can still be cancelled.", facts)


def _paused(job: Job, now: datetime) -> Reason | None:
    rows = Queue.objects.using(get_settings().database)
    queue = rows.filter(name=job.queue, paused_at__isnull=False).first()
    if queue is None or queue.paused_at is None:
        return None
    said = f': "{queue.paused_reason}"' if queue.paused_reason else ""
    sentence = f"Queue {job.queue} was paused by {queue.paused_by} at {spoken.clock(queue.paused_at, now)}{said}."
    if job.state != JobState.QUEUED and job.due_at > now:
        sentence += f" Besides, it is not due before {spoken.clock(job.due_at, now)}."
    facts = {"queue": job.queue, "by": queue.paused_by, "at": queue.paused_at, "reason": queue.paused_reason}
    return Reason("paused", sentence, facts)


def _delayed(job: Job, now: datetime) -> Reason:
    if job.state == JobState.BLOCKED:
        return Reason("blocked", "It waits for other jobs.")
    facts = {"due_at": job.due_at, "failure_count": job.failure_count, "loss_count": job.loss_count}
    left = (job.due_at - now).total_seconds()
    if left <= 0:
        late = spoken.duration(-left)
        if _lease_end(now) is None:
            return Reason("scheduler_silent", f"It has been due for {late}. {_no_scheduler(now)}", facts)
        return Reason("due", f"It has been due for {late} and is queued by the scheduler in a moment.", facts)
    when = f"at {spoken.clock(job.due_at, now)}, in {spoken.duration(left)}"
    if job.state == JobState.SCHEDULED:
        return Reason("not_due", f"It is due {when}.", facts)
    if _last_exception(job) == UNKNOWN_TASK:
        sentence = f"The worker that tried it did not know the task {job.task}; it is tried again {when}."
        return Reason("unknown_task", f"{sentence} Deploy that task to the workers.", facts)
    what = f"Attempt {job.attempt} ended" + (f": {job.reason}" if job.reason else "")
    return Reason("retrying", f"{what.rstrip('.')}. The next one is due {when}.", facts)


def _without_worker(job: Job, now: datetime) -> Reason | None:
    living = _workers_of(job.queue)
    silent_after = timedelta(seconds=get_settings().lost_after_seconds)
    heard = [worker for worker in living if now - worker.heartbeat_at <= silent_after]
    if any(worker.state == WorkerState.ACTIVE for worker in heard):
        return None
    facts = {"queue": job.queue, "workers": [worker.id for worker in living]}
    remedy = f"Start one: manage.py jobs_worker {job.queue}"
    if not living:
        others = Worker.objects.using(get_settings().database).living().count()
        but = f", though {spoken.count(others, 'worker')} listen{'s' * (others == 1)} to others" if others else ""
        return Reason("no_worker", f"No living worker listens to queue {job.queue}{but}. {remedy}", facts)
    if heard:
        return Reason("no_worker", f"All workers of queue {job.queue} are stopping. {remedy}", facts)
    silent = (now - max(worker.heartbeat_at for worker in living)).total_seconds()
    sentence = f"All workers of queue {job.queue} have been silent for {spoken.duration(silent)}."
    return Reason("no_worker", f"{sentence} {remedy}", facts)


def _special(job: Job) -> Reason | None:
    """Say what is the matter with this job itself, if it is no job like others."""
    if job.task not in registry:
        sentence = f"No task named {job.task} is registered here; workers of this release do not know it either."
        return Reason("unknown_task", f"{sentence} Deploy that task to the workers.", {"task": job.task})
    if job.loss_count:
        times = "once" if job.loss_count == 1 else f"{job.loss_count} times"
        sentence = f"It was lost with its worker {times}; it waits for a worker that can run it alone."
        return Reason("alone", sentence, {"loss_count": job.loss_count})
    return None


def _without_broker(job: Job, now: datetime, is_up: bool | None) -> Reason | None:
    if is_up is None:
        try:
            get_transport().ping()
            is_up = True
        except TransportUnavailable:
            is_up = False
    if is_up:
        return None
    sentence = "The broker cannot be reached. Idle workers find the job in the ledger, more slowly."
    line = _in_line(job, now)
    if line.code == "starting":
        return Reason("broker_away", sentence)
    # work goes on without the broker, so that it is not all that the job waits for
    return Reason("broker_away", f"{sentence} {line.sentence}", line.facts)


def _in_line(job: Job, now: datetime) -> Reason:
    waiting = _jobs().filter(StateIn([JobState.QUEUED]), queue=job.queue)
    before = waiting.filter(Q(priority__gt=job.priority) | Q(priority=job.priority, id__lt=job.id))
    ahead = before.order_by().values("pk")[: MOST_AHEAD + 1].count()
    workers = [worker for worker in _workers_of(job.queue) if worker.state == WorkerState.ACTIVE]
    busy = sum(len(worker.runs) for worker in workers)
    facts: dict[str, Any] = {"ahead": min(ahead, MOST_AHEAD), "is_ahead_capped": ahead > MOST_AHEAD, "busy": busy}
    if not ahead:
        if workers and all(_is_busy(worker, job) for worker in workers):
            longest = max(run["seconds"] for worker in workers for run in worker.runs)
            sentence = f"It is the next of queue {job.queue}, but every worker is busy; the oldest run has taken"
            return Reason("busy", f"{sentence} {spoken.duration(longest)} so far.", facts)
        return Reason("starting", "It should start any moment.", facts)
    told = f"{spoken.capped(ahead, MOST_AHEAD)} {'job is' if ahead == 1 else 'jobs are'} ahead of it"
    rate = _ended_per_second(job.queue, now)
    if not rate:
        sentence = f"{told} in queue {job.queue}, of which none has ended in the last {RATE_MINUTES} minutes."
        return Reason("behind", sentence, facts)
    facts |= {"per_minute": round(rate * 60, 1), "estimate_seconds": ahead / rate}
    least = "at least " if ahead > MOST_AHEAD else ""
    when = f"at {60 * rate:,.3g} a minute it should start in {least}about {spoken.duration(ahead / rate)}."
    return Reason("behind", f"{told} in queue {job.queue}; {when}", facts)


def _is_busy(worker: Worker, job: Job) -> bool:
    slots = worker.coroutine_count if iscoroutinefunction(registry.get(job.task).func) else 0
    return bool(worker.runs) and len(worker.runs) >= (slots or worker.thread_count)


def _workers_of(queue: str) -> list[Worker]:
    living = Worker.objects.using(get_settings().database).living()
    return [worker for worker in living if not worker.queues or queue in worker.queues]


def _ended_per_second(queue: str, now: datetime) -> float:
    """Return how many runs of a queue have ended in each of the last seconds, by the statistics."""
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=RATE_MINUTES)
    rows = Statistic.objects.using(get_settings().database).filter(minute_at__gte=since, queue=queue).order_by()
    # said both ways, because SQLite finds the index of folded rows by its literal condition only
    folded = rows.exclude(period=Period.RAW).filter(period=Period.MINUTE)
    counts = folded.values_list("counts", flat=True).union(
        rows.filter(period=Period.RAW).values_list("counts", flat=True), all=True
    )
    ended: int = sum(row.get(name, 0) for row in counts for name in _RAN)
    return ended / (now - since).total_seconds()


def _last_exception(job: Job) -> str:
    rows = Attempt.objects.using(get_settings().database).filter(job_id=job.id, number=job.attempt)
    return rows.values_list("exception_class", flat=True).first() or ""


def _lease_end(now: datetime) -> datetime | None:
    """Return until when a scheduler leads; None if none does."""
    ends = SchedulerLease.objects.using(get_settings().database).filter(expires_at__gt=now)
    return ends.values_list("expires_at", flat=True).first()


def _no_scheduler(now: datetime) -> str:
    last = SchedulerLease.objects.using(get_settings().database).order_by("-expires_at").first()
    since = f" since {spoken.clock(last.expires_at, now)}" if last else ""
    return f"No scheduler has been at work{since}. Start one: manage.py jobs_scheduler"


def _jobs() -> Any:
    return Job.objects.using(get_settings().database)
