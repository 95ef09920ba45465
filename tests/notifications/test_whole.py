"""The whole way with real processes: a job dies in a worker, the scheduler notices, a worker posts it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.models import Job
from tests.conftest import LiveDatabase
from tests.notifications.conftest import SECRET
from tests.notifications.receiver import Receiver
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.one_ledger]


@pytest.fixture
def transport() -> None:
    """Leave the transport of the settings in place: other processes share it."""


@pytest.fixture
def settings_of_processes(receiver: Receiver, tmp_path: Path) -> dict[str, str]:
    """Return the environment of processes that are to post to the receiver, with receivers of the signal."""
    lines = (
        "from tests.settings import *",
        "from jobs.notifications import jobs_failed",
        "def note(failures, **_):",
        f"    with open({str(tmp_path / 'heard')!r}, 'a') as file:",
        "        file.writelines(f'{one.job_id} {one.is_dead}\\n' for one in failures)",
        "jobs_failed.connect(note)",
        "QUEUEHUB = {**QUEUEHUB, 'TASK_MODULES': ['tests.engine.tasks', 'tests.operations.tasks'], 'NOTIFICATIONS': {",
        f"    'webhook_url': {receiver.url!r}, 'webhook_secret': {SECRET!r}, 'allowed_hosts': ['127.0.0.1'],",
        "}}",
    )
    (tmp_path / "settings_of_processes.py").write_text("\n".join(lines) + "\n")
    return {"DJANGO_SETTINGS_MODULE": "settings_of_processes", "PYTHONPATH": f"{tmp_path}:."}


def test_a_job_that_dies_in_a_worker_is_posted_and_told(
    live_database: LiveDatabase,
    manage: Callable[..., Running],
    receiver: Receiver,
    settings_of_processes: dict[str, str],
    tmp_path: Path,
) -> None:
    receiver.status = 500  # the first post fails
    manage("jobs_scheduler", env=settings_of_processes)
    manage("jobs_worker", "--processes", "1", env=settings_of_processes)
    job = Job.objects.create(task="tests.operations.tasks.chatter", kwargs={"fails": True})
    eventually(lambda: receiver.posts, 60, "nothing was posted")
    receiver.status = 204
    assert receiver.posts[0].json["details"]["job_id"] == str(job.id)
    sending = Job.objects.get(queue="notifications")
    assert str(sending.id) == receiver.posts[0].headers["webhook-id"]
    eventually(lambda: Job.objects.get(id=sending.id).state == "succeeded", 60, "it was not tried again")
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1
    assert f"{job.id} True\n" in (tmp_path / "heard").read_text()
