"""Makes the pictures of the pages: `python -m tests.screenshots`, on servers and made-up data of its own.

All of them go to var/screenshots; those that the documents show, to docs/images as well.
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import django
from django.core.management import call_command
from playwright.sync_api import Page

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()  # models can be imported only then

from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from jobs import failures  # noqa: E402
from jobs.lifecycle import operate  # noqa: E402
from jobs.models import Job, Queue, Schedule, SchedulerLease, ScheduleRun, Worker  # noqa: E402
from jobs.states import JobState  # noqa: E402
from queuehub.embedded import EmbeddedServer  # noqa: E402
from tests import screenshot_jobs, screenshot_traffic  # noqa: E402
from tests.browsing import Complaints, chromium, expect_state, opened  # noqa: E402
from tests.run_directory import directory  # noqa: E402
from tests.support import eventually, free_port  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent
PICTURES = PROJECT / "var" / "screenshots"
SHOWN_IN_DOCUMENTS = (
    "overview-light", "overview-dark", "overview-narrow", "queues-light", "workers-light", "schedules-light",
    "tasks-light", "queue-dark", "job-light", "failures-light", "operations-dark",
)  # fmt: skip
LOOKS = {"light": ("light", 1360), "dark": ("dark", 1360), "narrow": ("light", 380)}
HEIGHT = 820
LONGEST = 2200
"""Height of the longest page that is shown whole."""
JOBS, ATTEMPTS = 20_000, 22_000
HOSTS = ("web-1", "web-2", "batch-1")
WORKERS_PER_HOST = 4
PAUSED = "the provider is down until 14:00"


def fill() -> None:
    """Write a history, and what lives beside it: workers with runs, schedules, a paused queue."""
    call_command("jobs_sample", jobs=JOBS, attempts=ATTEMPTS, seed=1, verbosity=0)
    now = timezone.now()
    waiting = list(Job.objects.filter(state=JobState.QUEUED).order_by("id"))
    for number, job in enumerate(waiting):
        due_at = now - timedelta(seconds=600 * (1 - number / len(waiting)) ** 3)
        Job.objects.filter(pk=job.pk).update(due_at=due_at, created_at=due_at)
    runs = iter(waiting)
    for host in HOSTS:
        for number in range(WORKERS_PER_HOST):
            _worker(f"{host}-{number + 1:02}", host, [next(runs) for _ in range((number + len(host)) % 3)])
    SchedulerLease.objects.create(
        name="scheduler", holder="web-1", term=3, renewed_at=now, expires_at=now + timedelta(hours=1)
    )
    queues = list(Queue.objects.values_list("name", flat=True))
    while failures.name_unnamed(1000):
        failures.fold()
    screenshot_traffic.write(now)
    operate.pause_queue(queues[2], actor="ann", reason=PAUSED)
    operate.revive(Job.objects.dead().order_by("-id")[:42], actor="ben", reason="certificates renewed")
    operate.discard(Job.objects.dead().order_by("id")[:3], actor="ann", reason="customer is gone")
    screenshot_jobs.bulk()
    screenshot_jobs.story()
    failures.fold()
    timings = {"nightly-rollup": "0 3 * * *", "send-digests": "30 7 * * MON-FRI", "renew-tokens": "*/15 * * * *"}
    for name, cron in timings.items():
        _schedule(Schedule.objects.create(name=name, task="tests.tasks.add", cron=cron))
    _schedule(Schedule.objects.create(name="poll-partners", task="tests.tasks.add", every_seconds=30))


def _worker(name: str, host: str, jobs: list[Job]) -> None:
    now = timezone.now()
    Worker.objects.create(
        id=name, pool=f"{host}-pool", node=host, host=host, pid=4711, thread_count=4, code_version="2026.11.3",
        queues=[] if host != "batch-1" else list(Queue.objects.values_list("name", flat=True)[:3]),
        memory_bytes=(90 + 7 * len(name) + 11 * len(jobs)) * 2**20, started_at=now - timedelta(hours=5),
        runs=[{"job": str(job.pk), "seconds": 3.5 + 7 * index} for index, job in enumerate(jobs)],
    )  # fmt: skip
    for number, job in enumerate(jobs):
        Job.objects.filter(pk=job.pk).update(
            state=JobState.RUNNING, claim=number + 1, claimed_at=now, worker=name, published_at=None
        )


def _schedule(schedule: Schedule) -> None:
    done = list(Job.objects.filter(state=JobState.SUCCEEDED).values_list("pk", flat=True)[:58])
    bad = list(Job.objects.dead().values_list("pk", flat=True)[:2])
    step = timedelta(seconds=schedule.every_seconds or 900)
    begun = timezone.now().replace(microsecond=0)
    for index, job_id in enumerate([*done[:20], *bad, *done[20:]]):
        due_at = begun - (60 - index) * step
        ScheduleRun.objects.create(
            schedule=schedule, due_at=due_at, fired_at=due_at + timedelta(milliseconds=140), job_id=job_id
        )
    Schedule.objects.filter(pk=schedule.pk).update(next_at=begun + step / 2, last_at=begun - step / 2)


@contextmanager
def beating() -> Iterator[None]:
    """Let the workers' hearts beat meanwhile."""
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(2):
            Worker.objects.update(heartbeat_at=timezone.now())

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def website() -> Iterator[str]:
    """Run the pages; gives their address."""
    port = free_port()
    uvicorn = [sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--log-level", "error"]
    with subprocess.Popen([*uvicorn, "--port", str(port)], cwd=PROJECT) as server:
        try:
            eventually(lambda: _answers(port), 60)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    try:
        return bool(urlopen(f"http://127.0.0.1:{port}/healthz").status == 200)
    except URLError:
        return False


def pages() -> dict[str, str]:
    """Return the addresses of the pages by the pictures' names."""
    told = Job.objects.dead().filter(attempt=4, task=screenshot_jobs.TASK).values_list("pk", flat=True).get()
    busiest = next(iter(screenshot_traffic.BUSY))
    task = screenshot_traffic.TASK
    return {
        "login": "/admin/login/",
        "overview": "/",
        "queues": "/queues/",
        "queue": f"/queues/{busiest}/",
        "workers": "/workers/",
        "schedules": "/schedules/",
        "jobs": "/jobs/",
        "jobs-dead": "/jobs/?q=state:dead+created:>-7d",
        "jobs-fault": "/jobs/?q=state:dead+stat:dead",
        "job": f"/jobs/{told}/",
        "job-queued": f"/jobs/{Job.objects.queued().values_list('pk', flat=True).first()}/",
        "job-edit": f"/jobs/{told}/edit/",
        "failures": "/failures/",
        "operations": "/operations/",
        **screenshot_jobs.addresses(),
        "tasks": "/tasks/?q=sample",
        "task": f"/tasks/{task}/",
        "admin": "/admin/",
        "admin-jobs": "/admin/jobs/job/",
        "admin-job": f"/admin/jobs/deadletter/{Job.objects.dead().values_list('pk', flat=True).last()}/change/",
    }


def shoot(page: Page, address: str, look: str, path: Path) -> None:
    """Take a picture of a whole page."""
    theme, width = LOOKS[look]
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    page.goto(address)
    if page.locator("#live").count():
        expect_state(page, "live")
    for chart in page.locator("[data-plot]").all():
        chart.locator("canvas").first.wait_for()
    height = page.evaluate("document.documentElement.scrollHeight")
    page.screenshot(path=path, full_page=height <= LONGEST or look == "narrow")
    if page.evaluate("document.documentElement.scrollWidth") > width:
        sys.stderr.write(f"{path.name} is wider than the window\n")


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="names of pages")
    options = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with EmbeddedServer(directory()):
        call_command("migrate", verbosity=0)
        fill()
        client = Client()
        client.force_login(User.objects.create_superuser("ann", password="ann"))
        session = client.cookies["sessionid"].value
        shown = {name: path for name, path in pages().items() if not options.only or name in options.only}
        complaints = Complaints()
        with beating(), website() as address, chromium() as browser, opened(browser, address, complaints) as page:
            page.goto("/admin/login/")
            for name, path in shown.items():
                if name != "login":
                    page.context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
                for look in LOOKS:
                    shoot(page, path, look, PICTURES / f"{name}-{look}.png")
        for text in complaints.texts:
            sys.stderr.write(f"{text}\n")
    for name in SHOWN_IN_DOCUMENTS:
        if not options.only or name.rpartition("-")[0] in options.only:  # others are older than what the documents show
            shutil.copy(PICTURES / f"{name}.png", PROJECT / "docs" / "images")


if __name__ == "__main__":
    main()
