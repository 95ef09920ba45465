"""What an application's web process does with jobs, as a program: it enqueues in every way and cancels one.

`python -m tests.security.least.application DIRECTORY`; the directory is for the flags of its tasks.
"""

import signal
import sys
from datetime import timedelta
from pathlib import Path

import django
from django.apps import apps

if not apps.ready:
    django.setup()

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from jobs import operations
from jobs.lifecycle import operate
from jobs.models import Job, Operation
from tests.security.least import tasks
from tests.support import eventually

DAY = timedelta(days=1)


def enqueue_in_every_way(directory: Path) -> None:
    """One by one, in a batch, delayed, urgent, unique, expiring, by plain SQL, and once rolled back."""
    soon = timezone.now() + timedelta(seconds=1)
    tasks.nothing.enqueue()
    Job.objects.enqueue_many(tasks.nothing, [()] * 200)
    tasks.nothing.using(run_after=soon).enqueue()
    tasks.nothing.using(priority=5, queue_name="mail").enqueue()
    tasks.nothing.using(priority=-5).enqueue()
    first, second = (tasks.nothing.using(unique_key="only", run_after=soon).enqueue() for _ in range(2))
    assert first.id == second.id
    tasks.nothing.using(queue_name="closed", expires_at=soon).enqueue()
    tasks.parent.enqueue()
    tasks.succeed_later.enqueue(str(directory / "failed"))
    tasks.kill_worker_once.enqueue(str(directory / "killed"))
    tasks.until_cancelled.using(tags=["cancel"]).enqueue()
    for by in (0, 0, 0, 2):
        tasks.divide.using(queue_name="sums").enqueue(6, by)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_job (task) VALUES ('tests.security.least.tasks.nothing')")
    try:
        with transaction.atomic():
            tasks.nothing.enqueue()
            raise LookupError
    except LookupError:
        pass


def operate_in_bulk() -> None:
    """Cancel waiting jobs, undo that and move them, which the scheduler does; then cancel them here."""
    Job.objects.enqueue_many(tasks.nothing.using(queue_name="bulk", run_after=timezone.now() + DAY), [()] * 20)

    def done(operation: Operation) -> Operation:
        eventually(lambda: Operation.objects.get(pk=operation.pk).is_over, 40)
        operation.refresh_from_db()
        assert (operation.changed_count, operation.skipped_count) == (20, 0), operation.error
        return operation

    def started(verb: str, on: str, **options: str) -> Operation:
        preview = operations.preview(verb, actor="application", filter=f"queue:{on}", options=options)
        return operations.start(preview, actor="application")

    cancelled = done(started("cancel", "bulk"))
    done(operations.undo(cancelled, actor="application"))
    done(started("move", "bulk", queue="bulk2"))
    done(operations.finish_now(started("empty", "bulk2")))


def main(directory: Path) -> None:
    """Enqueue; then go on by one step with each SIGUSR1: a job that holds its worker, and a batch."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    if not User.objects.filter(username="root").exists():
        User.objects.create_superuser("root", password="root")
    operate.pause_queue("closed", actor="application")
    enqueue_in_every_way(directory)
    waiting = tasks.nothing.using(run_after=timezone.now() + timedelta(hours=1)).enqueue()
    assert operate.cancel([waiting.id], actor="application").changed
    operate_in_bulk()
    sys.stdout.write("enqueued in every way\n")
    signal.sigwait({signal.SIGUSR1})
    tasks.hold_once.enqueue(str(directory / "held"))
    signal.sigwait({signal.SIGUSR1})
    Job.objects.enqueue_many(tasks.nothing.using(queue_name="repair"), [()] * 50)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
