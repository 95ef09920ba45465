"""What stands on the pictured site beside its jobs: queues, workers, schedules, a scheduler that leads."""

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from demo.sample_names import QUEUES
from jobs import failures, operations
from jobs.lifecycle import operate
from jobs.models import Job, Queue, Schedule, SchedulerLease, ScheduleRun, Statistic, Worker
from jobs.states import JobState
from jobs.timetable import next_firing
from tests.screenshots import jobs, traffic

JOBS, ATTEMPTS = 20_000, 22_000
HOSTS = ("web-1", "web-2", "batch-1")
WORKERS_PER_HOST = 4
BATCH_QUEUES = ["sample-backup", "sample-exports", "sample-imports"]
PAUSED, PAUSE_REASON = "sample-billing", "the provider is down until 14:00"
RUNS_SHOWN = 60
BEAT_SECONDS = 2
SCHEDULES: dict[str, tuple[str, dict[str, Any], timedelta]] = {
    "nightly-rollup": ("sample.reports.yearly", {"cron": "0 3 * * *"}, timedelta(days=62)),
    "send-digests": ("sample.users.notify", {"cron": "30 7 * * MON-FRI"}, timedelta(days=90)),
    "renew-tokens": ("sample.teams.rotate", {"cron": "*/15 * * * *"}, timedelta(hours=17)),
    "poll-partners": ("sample.orders.sync", {"every_seconds": 30}, timedelta(minutes=35)),
}
"""By name: the task, when it fires, and since when."""


def furnish() -> None:
    """Write a healthy site with nothing to do: queues, idle workers, a scheduler, a busy last hour."""
    now = timezone.now()
    Queue.objects.bulk_create([Queue(name=name) for name in QUEUES], ignore_conflicts=True)
    for host in HOSTS:
        for number in range(1, WORKERS_PER_HOST + 1):
            Worker.objects.create(
                id=f"{host}-{number:02}", pool=f"{host}-pool", node=host, host=host, pid=4710 + number, thread_count=4,
                code_version="2026.11.3", queues=BATCH_QUEUES if host == "batch-1" else [],
                memory_bytes=(140 + 11 * number + len(host)) * 2**20, started_at=now - timedelta(hours=5),
            )  # fmt: skip
    SchedulerLease.objects.create(
        name="scheduler", holder="web-1", term=3, renewed_at=now, expires_at=now + timedelta(hours=1)
    )
    traffic.write(now)


def fill() -> None:
    """Write a week of jobs, and what people and failures have made of it."""
    Statistic.objects.all().delete()  # the sample has some of the same minutes
    with io.StringIO() as nowhere:
        call_command("jobs_sample", jobs=JOBS, attempts=ATTEMPTS, seed=1, stdout=nowhere, stderr=nowhere)
    waiting = list(Job.objects.filter(state=JobState.QUEUED).order_by("id"))
    now = timezone.now()
    for number, job in enumerate(waiting):
        due_at = now - timedelta(seconds=600 * (1 - number / len(waiting)) ** 3)
        Job.objects.filter(pk=job.pk).update(due_at=due_at, created_at=due_at)
    _give_work(job for job in waiting if job.queue != PAUSED)
    while failures.name_unnamed(1000):
        failures.fold()
    told = jobs.story()  # before the rest, as the log orders what people did
    operate.pause_queue(PAUSED, actor="ann", reason=PAUSE_REASON)
    renewed = operations.preview("retry", actor="ben", ids=list(_dead("-id").exclude(pk=told.pk)[:42]))
    operations.finish_now(operations.start(renewed, actor="ben", reason="certificates renewed"))
    operate.discard(list(_dead("id")[:2]), actor="ann", reason="the customer is gone")
    jobs.bulk()
    jobs.forget_the_making()
    failures.fold()
    for name, (task, timing, age) in SCHEDULES.items():
        _schedule(Schedule.objects.create(name=name, task=task, **timing), age)
    traffic.write(timezone.now())


def _dead(order: str) -> Any:
    return Job.objects.dead().order_by(order).values_list("pk", flat=True)


def _give_work(waiting: Iterable[Job]) -> None:
    """Let the workers run some of the jobs that wait."""
    waiting = list(waiting)
    for index, worker in enumerate(Worker.objects.order_by("id")):
        served = [job for job in waiting if not worker.queues or job.queue in worker.queues][: (index * 2 + 1) % 4]
        for job in served:
            waiting.remove(job)
            Job.objects.filter(pk=job.pk).update(
                state=JobState.RUNNING, claim=index + 1, claimed_at=timezone.now(), worker=worker.pk, published_at=None
            )
        runs = [{"job": str(job.pk), "seconds": 1.4 + 6.3 * rank + index} for rank, job in enumerate(served)]
        Worker.objects.filter(pk=worker.pk).update(runs=runs)


def _schedule(schedule: Schedule, age: timedelta) -> None:
    """Write the last runs of a schedule; two of them have died."""
    now = timezone.now().replace(microsecond=0)
    begun_at = at = now - age
    moments = []
    while at <= now:
        at = next_firing(schedule.cron, schedule.every_seconds, schedule.timezone, begun_at, at)
        moments.append(at)
    *past, next_at = moments
    past = past[-RUNS_SHOWN:]
    ended = Job.objects.filter(state=JobState.SUCCEEDED).values_list("pk", flat=True)[: len(past)]
    dead = dict(zip((len(past) // 3, len(past) // 3 + 1), _dead("id")[:2], strict=True))
    ScheduleRun.objects.bulk_create(
        ScheduleRun(
            schedule=schedule, due_at=at, fired_at=at + timedelta(milliseconds=140), job_id=dead.get(index, job_id)
        )
        for index, (at, job_id) in enumerate(zip(past, ended, strict=True))
    )
    Schedule.objects.filter(pk=schedule.pk).update(next_at=next_at, last_at=past[-1])


@contextmanager
def beating() -> Iterator[None]:
    """Let the workers' hearts beat meanwhile, and jobs go on; keep the schedules from being late."""
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(BEAT_SECONDS):
            now = timezone.now()
            traffic.go_on(now, BEAT_SECONDS)
            Worker.objects.update(heartbeat_at=now)
            late = Schedule.objects.filter(next_at__lt=now)
            late.update(next_at=now + timedelta(seconds=27), last_at=now - timedelta(seconds=3))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
