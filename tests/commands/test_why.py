"""Why a job is not running: one true sentence for each cause, the strongest cause first."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import lifecycle, statistics, why
from jobs.lease import Lease
from jobs.lifecycle import operate
from jobs.models import Job, SchedulerLease, Statistic, Worker
from jobs.states import Outcome
from jobs.transports.memory import MemoryTransport
from tests.factories import WORKER, claim, ended, fresh, make_job, make_worker

pytestmark = pytest.mark.django_db

MOST_STATEMENTS = 8


def told(job: Job) -> tuple[str, str]:
    """Return the code, and the sentence with its times made alike."""
    reason = why.why(fresh(job))
    text = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", reason.sentence)
    return reason.code, re.sub(r"\b\d+(\.\d)? (s|min|h|d)\b", r"T \2", text)


def ago(**units: float) -> Any:
    return timezone.now() - timedelta(**units)


def update(job: Job, **columns: Any) -> None:
    Job.objects.filter(id=job.id).update(**columns)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("succeeded", "It succeeded T s ago in attempt 1."),
        ("dead", "It died T s ago: 1 of 1 attempts failed. It runs again when somebody retries it."),
        ("cancelled", "It was cancelled T s ago: cancelled by make_job."),
    ],
)
def test_it_has_ended(state: str, sentence: str) -> None:
    assert told(make_job(state)) == ("finished", sentence)


def test_it_runs() -> None:
    job = make_job("running")
    Worker.objects.update(runs=[{"job": str(job.id), "seconds": 12.0}], heartbeat_at=timezone.now())
    assert told(job) == ("running", f"It runs: worker {WORKER} began it T s ago.")
    operate.cancel([job.id], actor="test")
    assert told(job) == ("running", f"It runs: worker {WORKER} began it T s ago, and it was asked to stop.")


def test_it_is_claimed_and_has_not_begun() -> None:
    job = make_job("running")
    Worker.objects.update(heartbeat_at=ago(seconds=3))
    update(job, claimed_at=ago(seconds=1))
    claimed = f"Worker {WORKER} claimed it T s ago"
    assert told(job) == ("claimed", f"{claimed} and has not said yet whether it has begun.")
    Worker.objects.update(heartbeat_at=timezone.now(), runs=[{"job": str(uuid4()), "seconds": 5.0}])
    others = "while it runs 1 other job. It can still be cancelled."
    assert told(job) == ("claimed", f"{claimed} but has not begun it {others}")


def test_its_worker_is_gone_or_silent() -> None:
    job = make_job("running")
    Worker.objects.update(heartbeat_at=ago(minutes=3))
    silent = f"Its worker {WORKER} has been silent for T min."
    assert told(job) == (
        "worker_silent", f"{silent} No scheduler has been at work. Start one: manage.py jobs_scheduler",
    )  # fmt: skip
    assert Lease("a").hold()
    assert told(job) == ("worker_silent", f"{silent} The scheduler gives the job to another one.")
    Worker.objects.update(state="lost")
    assert told(job) == ("worker_lost", f"Its worker {WORKER} is gone; the job goes back in a moment.")


def test_its_queue_is_paused() -> None:
    make_worker()
    job, later = make_job(), make_job("scheduled")
    operate.pause_queue("default", actor="alice", reason="provider down")
    paused = 'Queue default was paused by alice at HH:MM:SS: "provider down".'
    assert told(job) == ("paused", paused)
    code, sentence = told(later)
    assert (code, sentence.startswith(f"{paused} Besides, it is not due before ")) == ("paused", True)
    operate.resume_queue("default", actor="alice")
    assert told(job)[0] != "paused"


def test_it_is_not_due() -> None:
    job = make_job("scheduled", due_at=timezone.now() + timedelta(days=9))
    reason = why.why(job)
    assert reason.code == "not_due"
    assert re.fullmatch(r"It is due at \d{4}-\d\d-\d\d \d\d:\d\d, in 9 d\.", reason.sentence)


def test_it_failed_and_waits_for_its_next_attempt() -> None:
    job = make_job()
    lifecycle.settle([ended(claim(job), Outcome.ERROR, message="no such host.", delay_seconds=90.0)])
    assert told(job) == ("retrying", "Attempt 1 ended: no such host. The next one is due at HH:MM:SS, in T s.")


def test_no_worker_knew_its_task() -> None:
    job = make_job()
    run = ended(claim(job), Outcome.SNOOZED, exception_class=why.UNKNOWN_TASK, message="?", delay_seconds=30.0)
    lifecycle.settle([run])
    assert told(job) == (
        "unknown_task",
        f"The worker that tried it did not know the task {job.task}; it is tried again at HH:MM:SS, in T s."
        " Deploy that task to the workers.",
    )
    update(job, state="queued", task="shop.tasks.gone")
    assert told(job)[0] == "unknown_task"
    assert told(job)[1].startswith("No task named shop.tasks.gone is registered here;")


def test_it_is_due_but_nobody_queues_it() -> None:
    job = make_job("scheduled")
    update(job, due_at=ago(seconds=40))
    assert told(job) == (
        "scheduler_silent",
        "It has been due for T s. No scheduler has been at work. Start one: manage.py jobs_scheduler",
    )
    assert Lease("a").hold()
    assert told(job) == ("due", "It has been due for T s and is queued by the scheduler in a moment.")
    SchedulerLease.objects.update(expires_at=ago(minutes=1))
    assert told(job)[1].startswith("It has been due for T s. No scheduler has been at work since HH:MM:SS.")


def test_no_worker_listens_to_its_queue() -> None:
    job = make_job(queue="mail")
    start = "Start one: manage.py jobs_worker mail"
    assert told(job) == ("no_worker", f"No living worker listens to queue mail. {start}")
    make_worker("other")
    Worker.objects.update(queues=["bulk"])
    but = "though 1 worker listens to others"
    assert told(job) == ("no_worker", f"No living worker listens to queue mail, {but}. {start}")
    Worker.objects.update(queues=["bulk", "mail"], heartbeat_at=ago(minutes=5))
    assert told(job) == ("no_worker", f"All workers of queue mail have been silent for T min. {start}")
    Worker.objects.update(heartbeat_at=timezone.now(), state="stopping")
    assert told(job) == ("no_worker", f"All workers of queue mail are stopping. {start}")
    Worker.objects.update(state="active")
    assert told(job)[0] == "starting"


def test_it_was_lost_and_waits_to_run_alone() -> None:
    make_worker()
    job = make_job()
    update(job, loss_count=2)
    sentence = "It was lost with its worker 2 times; it waits for a worker that can run it alone."
    assert told(job) == ("alone", sentence)


def test_the_broker_is_away(transport: MemoryTransport) -> None:
    make_worker()
    job = make_job()
    transport.is_down = True
    sentence = "The broker cannot be reached. Idle workers find the job in the ledger, more slowly."
    assert told(job) == ("broker_away", sentence)
    assert why.why(job, is_broker_up=True).code == "starting"
    transport.is_down = False
    assert why.why(job, is_broker_up=False).code == "broker_away"


def test_the_broker_is_away_and_others_are_ahead_of_it(transport: MemoryTransport) -> None:
    make_worker()
    make_job()
    job = make_job()
    transport.is_down = True
    code, sentence = told(job)
    assert (code, sentence.endswith("more slowly. 1 job is ahead of it in queue default, of which none has ended"
                                    " in the last 5 minutes.")) == ("broker_away", True)  # fmt: skip


def test_others_are_ahead_of_it() -> None:
    make_worker()
    first, job = make_job(priority=-5), make_job(priority=-5)
    urgent = [make_job(priority=3), make_job(priority=3, queue="mail")]
    assert told(urgent[0]) == ("starting", "It should start any moment.")
    assert told(job) == (
        "behind", "2 jobs are ahead of it in queue default, of which none has ended in the last 5 minutes.",
    )  # fmt: skip
    assert why.why(first).facts["ahead"] == 1
    Statistic.objects.create(minute_at=ago(minutes=2), queue="default", task=job.task, counts={"success": 800})
    Statistic.objects.create(minute_at=ago(minutes=2), queue="mail", task=job.task, counts={"success": 999_999})
    for _ in range(2):  # counted once, folded or not
        reason = why.why(job)
        assert 130 < reason.facts["per_minute"] <= 160
        assert re.fullmatch(
            r"2 jobs are ahead of it in queue default; at 1\d\d a minute it should start in about 0\.[789]\d* s\.",
            reason.sentence,
        )
        statistics.fold()


def test_many_are_ahead_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why, "MOST_AHEAD", 2)
    make_worker()
    jobs = [make_job() for _ in range(4)]
    Statistic.objects.create(minute_at=ago(minutes=1), queue="default", task=jobs[0].task, counts={"success": 8})
    sentence = why.why(jobs[3]).sentence
    assert sentence.startswith("2+ jobs are ahead of it in queue default; at 1.")
    assert "it should start in at least about" in sentence


def test_every_worker_is_busy() -> None:
    make_worker()
    job = make_job()
    Worker.objects.update(runs=[{"job": str(uuid4()), "seconds": 300.0}])
    assert told(job) == (
        "busy", "It is the next of queue default, but every worker is busy; the oldest run has taken T min so far.",
    )  # fmt: skip
    Worker.objects.update(thread_count=2)
    assert told(job)[0] == "starting"


def test_it_has_expired() -> None:
    job = make_job()
    update(job, expires_at=ago(seconds=5))
    assert told(job) == ("expired", "It expired T s ago and will be cancelled.")


@pytest.mark.parametrize("state", ["scheduled", "blocked", "queued", "running", "retrying", "succeeded", "dead"])
def test_the_answer_takes_few_statements(state: str) -> None:
    job = make_job(state)
    with CaptureQueriesContext(connection) as captured:
        assert why.why(job).sentence.count("\n") == 0
    assert 1 <= len(captured) <= MOST_STATEMENTS
