"""Why a job is not running, as a shell says it: each cause is made to happen with real processes."""

import json
import os
import re
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Job
from tests.acceptance import tasks
from tests.commands.calling import run
from tests.journal import Journal
from tests.support import Processes, Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

Start = Callable[..., Running]
FROZEN_SECONDS = 60


def reason(job: Any) -> tuple[str, str]:
    """Return the cause's code, and the sentence with its times made alike."""
    told = json.loads(run("jobs_status", "--why", str(job.id), "--json").out)
    text = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", told["sentence"])
    return told["code"], re.sub(r"\b\d+(\.\d)? (s|min|h|d)\b", r"T \2", text)


def becomes(job: Any, code: str, sentence: str) -> None:
    """Wait until that is the cause."""
    eventually(lambda: reason(job) == (code, sentence), 30, f"it is not {code}: {reason(job)}")


def test_nobody_is_there_for_it(pool: Start, scheduler: Start) -> None:
    job = tasks.nothing.enqueue()
    start = "Start one: manage.py jobs_worker default"
    assert reason(job) == ("no_worker", f"No living worker listens to queue default. {start}")
    other = pool("a", "mail")
    but = "though 1 worker listens to others"
    assert reason(job) == ("no_worker", f"No living worker listens to queue default, {but}. {start}")
    other.stop(30)

    later = Job.objects.enqueue(tasks.nothing.using(run_after=timezone.now() + timedelta(seconds=0.5)))
    absent = "No scheduler has been at work. Start one: manage.py jobs_scheduler"
    becomes(later, "scheduler_silent", f"It has been due for T s. {absent}")
    scheduler("a")
    eventually(lambda: Job.objects.get(id=later.id).state == "queued", 60)
    assert reason(later)[0] == "no_worker"


def test_somebody_or_its_own_time_holds_it_back(pool: Start) -> None:
    pool("a")
    run("jobs_pause", "default", "--actor", "ann", "--reason", "provider down")
    job = tasks.nothing.enqueue()
    assert reason(job) == ("paused", 'Queue default was paused by ann at HH:MM:SS: "provider down".')
    run("jobs_resume", "default")
    eventually(lambda: Job.objects.get(id=job.id).state == "succeeded", 30)
    late = run("jobs_enqueue", "tests.acceptance.tasks.nothing", "--in", "1h").out.strip()
    code, sentence = reason(Job(id=late))
    assert (code, sentence.startswith("It is due at ")) == ("not_due", True)


def test_others_are_ahead_of_it_and_the_broker_is_away(
    pool: Start, journal: Journal, processes: Processes, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    pool("a")
    tasks.wait_while.enqueue(journal.path, "held", str(flag))
    eventually(lambda: journal.run_count() == 1, 30)
    ahead = [tasks.nothing.enqueue() for _ in range(3)]
    job = tasks.nothing.enqueue()
    in_line = "3 jobs are ahead of it in queue default, of which none has ended in the last 5 minutes."
    becomes(job, "behind", in_line)
    busy = "It is the next of queue default, but every worker is busy; the oldest run has taken T s so far."
    becomes(ahead[0], "busy", busy)

    words = ("jobs_status", "--why", str(job.id))
    asked = processes.manage(*words, env={"REDIS_URL": "unix:///nowhere/valkey.sock"})
    assert asked.wait(60) == 0, asked.output
    away = "The broker cannot be reached. Idle workers find the job in the ledger, more slowly."
    assert asked.output.endswith(f" is queued. {away} {in_line}\n")
    flag.unlink()
    eventually(lambda: Job.objects.get(id=job.id).state == "succeeded", 60)
    assert reason(job)[0] == "finished"


def test_a_worker_has_claimed_it_and_does_not_begin(pool: Start, processes: Processes) -> None:
    processes.environment["QUEUEHUB_FAILPOINTS"] = f"claim.committed=sleep={FROZEN_SECONDS}"
    running = pool("a")
    job = tasks.nothing.enqueue()
    eventually(lambda: reason(job)[0] == "claimed", 30)
    worker = Job.objects.get(id=job.id).worker
    becomes(job, "claimed", f"Worker {worker} claimed it T s ago but has not begun it. It can still be cancelled.")
    os.killpg(running.pid, signal.SIGKILL)
    silent = f"Its worker {worker} has been silent for T s. No scheduler has been at work."
    becomes(job, "worker_silent", f"{silent} Start one: manage.py jobs_scheduler")
