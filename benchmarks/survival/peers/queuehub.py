"""QueueHub by its public API and commands, with the settings that ship."""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from benchmarks.survival import tasks  # noqa: E402
from benchmarks.survival.adapter import FAILED, QUEUE, WORKER_COUNT, Survivor  # noqa: E402
from jobs.models import Job  # noqa: E402
from jobs.states import JobState  # noqa: E402

PLACES = {JobState.QUEUED: QUEUE, JobState.DEAD: FAILED, JobState.CANCELLED: FAILED}


class QueueHub(Survivor):
    configuration = (
        "QUEUEHUB_ENV=production, QUEUEHUB={}; two `jobs_worker --processes 1`, each a pool parent and its worker, and"
        " one `jobs_scheduler`, which dies with its host"
    )
    packages = ("Django", "redis", "hiredis", "psycopg")

    def prepare(self) -> None:
        call_command("migrate", verbosity=0)

    def enqueue(self, key: str, journal: str, milliseconds: float) -> None:
        tasks.job.enqueue(journal, key, milliseconds)

    def held(self) -> dict[str, list[str]]:
        places: dict[str, list[str]] = {}
        for state, args in Job.objects.exclude(state=JobState.SUCCEEDED).values_list("state", "args"):
            places.setdefault(PLACES.get(JobState(state), f"state {state}"), []).append(args[1])
        return places

    def workers(self) -> list[list[str]]:
        return [[sys.executable, "manage.py", "jobs_worker", "--processes", "1"]] * WORKER_COUNT

    def companions(self) -> list[list[str]]:
        return [[sys.executable, "manage.py", "jobs_scheduler"]]


def survivor() -> Survivor:
    """Return the system."""
    return QueueHub()
